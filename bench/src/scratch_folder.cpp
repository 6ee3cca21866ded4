#include "scratch_folder.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <linux/magic.h>
#include <stdexcept>
#include <sys/vfs.h>
#include <utility>
#include <vector>

namespace casc::bench {
namespace {

constexpr long kXfsMagic = 0x58465342;  // not in linux/magic.h

// Empty when the file system keeps its files in memory.
std::string disk_file_system(const std::filesystem::path& folder) {
    struct statfs info {};
    if (::statfs(folder.c_str(), &info) != 0) {
        throw std::runtime_error(folder.string() + ": " + std::strerror(errno));
    }
    switch (static_cast<long>(info.f_type)) {
        case TMPFS_MAGIC:
        case RAMFS_MAGIC:
            return {};
        case EXT4_SUPER_MAGIC:
            return "ext4";
        case kXfsMagic:
            return "xfs";
        case BTRFS_SUPER_MAGIC:
            return "btrfs";
        case OVERLAYFS_SUPER_MAGIC:
            return "overlayfs";
        default: {
            std::array<char, 32> text{};
            std::snprintf(text.data(), text.size(), "file system %#lx",
                          static_cast<unsigned long>(info.f_type));
            return text.data();
        }
    }
}

}  // namespace

ScratchFolder::ScratchFolder(const std::filesystem::path& asked) {
    std::vector<std::pair<std::filesystem::path, std::string>> candidates;
    if (!asked.empty()) {
        candidates.emplace_back(asked, "--data-dir");
    } else {
        if (const char* folder = std::getenv("TMPDIR"); folder != nullptr)
            candidates.emplace_back(folder, "$TMPDIR");
        candidates.emplace_back(std::filesystem::current_path(), "the current folder");
    }
    for (const auto& [folder, origin] : candidates) {
        const std::string kind = disk_file_system(folder);
        if (kind.empty()) continue;
        std::string name = (folder / "casc-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("cannot make a folder in " + folder.string() + ": " +
                                     std::strerror(errno));
        }
        path_ = name;
        description_ = kind + ", " + origin;
        return;
    }
    throw std::runtime_error(
        "the data folder would be in memory (tmpfs), which says nothing about a durable log; "
        "name one on a disk with --data-dir");
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace casc::bench
