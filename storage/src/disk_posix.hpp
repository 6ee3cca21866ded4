#pragma once
// storage/src/disk_posix.hpp: what the two real disks have in common: descriptors, small files,
// directories, locks and files of which every block has been written once. Thread: any.

#include <casc/storage/disk.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

namespace casc::storage::detail {

// The error of a failed system call, as `what 'path': reason`. ENOSPC becomes disk_full and so on.
[[nodiscard]] Error system_error(int error_number, std::string_view what,
                                 const std::filesystem::path& path);

class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    FileDescriptor(FileDescriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~FileDescriptor();

    [[nodiscard]] int get() const noexcept { return descriptor_; }

private:
    int descriptor_ = -1;
};

// open(2), repeated while a signal interrupts it; always close-on-exec.
[[nodiscard]] Result<FileDescriptor> open_descriptor(const std::filesystem::path& path, int flags);
[[nodiscard]] Result<std::uint64_t> descriptor_bytes(const FileDescriptor& file,
                                                     const std::filesystem::path& path);
[[nodiscard]] Result<void> sync_directory(const std::filesystem::path& directory);
[[nodiscard]] Result<std::size_t> read_at(const FileDescriptor& file,
                                          const std::filesystem::path& path, std::uint64_t position,
                                          std::span<std::byte> into);

// The half of Disk that does not depend on how durable writes are made.
class PosixDisk : public Disk {
public:
    // `direct`: O_DIRECT for reading and filling, where the file system has it.
    explicit PosixDisk(bool direct) : direct_(direct) {}

    Result<std::unique_ptr<ReadableFile>> open_to_read(const std::filesystem::path& path) override;
    Result<void> fill_file(const std::filesystem::path& path, std::uint64_t bytes) override;
    Result<std::string> read_file(const std::filesystem::path& path) override;
    Result<void> replace_file(const std::filesystem::path& path, std::string_view content) override;
    Result<std::vector<std::string>> list(const std::filesystem::path& directory) override;
    Result<void> make_directories(const std::filesystem::path& directory) override;
    Result<void> remove_file(const std::filesystem::path& path) override;
    Result<std::uint64_t> free_bytes(const std::filesystem::path& path) override;
    Result<std::unique_ptr<Lock>> lock(const std::filesystem::path& path) override;
    std::shared_ptr<void> rocksdb_file_system() override { return nullptr; }

private:
    const bool direct_;
};

}  // namespace casc::storage::detail
