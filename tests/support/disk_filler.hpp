#pragma once
// disk_filler.hpp: takes room on a disk away from a broker. Others use the same disk meanwhile, so
// what is taken, and what was there, differ by as much as they may write or remove.

#include <doctest/doctest.h>

#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/statvfs.h>
#include <unistd.h>

namespace casc::test {

// Tests that use it do not run at the same time (RESOURCE_LOCK disk).
inline constexpr std::uint64_t kDiskMargin = std::uint64_t{1} << 30;

[[nodiscard]] inline std::uint64_t free_disk_bytes(const std::filesystem::path& folder) {
    struct statvfs disk {};
    REQUIRE(::statvfs(folder.c_str(), &disk) == 0);
    return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

// What storage.reserve_bytes must be so that there is room for a margin, and none by a margin when
// a DiskFiller has come.
[[nodiscard]] inline std::string reserve_for_filler(const std::filesystem::path& folder) {
    const std::uint64_t free = free_disk_bytes(folder);
    REQUIRE(free > 3 * kDiskMargin);
    return "storage.reserve_bytes=" + std::to_string(free - kDiskMargin);
}

// Thread: one at a time. Lifetime: there is room again when it goes, whatever happens.
class DiskFiller {
public:
    // Beside `folder`.
    explicit DiskFiller(const std::filesystem::path& folder) {
        const auto path = folder.parent_path() / (folder.filename().string() + ".fill");
        file_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
        REQUIRE(file_ >= 0);
        std::filesystem::remove(path);
        REQUIRE(::posix_fallocate(file_, 0, 2 * kDiskMargin) == 0);
    }
    ~DiskFiller() { ::close(file_); }
    DiskFiller(const DiskFiller&) = delete;
    DiskFiller& operator=(const DiskFiller&) = delete;

private:
    int file_ = -1;
};

}  // namespace casc::test
