#include "disk_posix.hpp"

#include "disk_memory.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/units.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace casc::storage::detail {

namespace {

constexpr std::size_t kFillBytes = 4_MiB;

ErrorCode code_of(int error_number) {
    switch (error_number) {
        case ENOSPC:
        case EDQUOT:
            return ErrorCode::disk_full;
        case ENOENT:
            return ErrorCode::data_missing;
        case EACCES:
        case EPERM:
        case EROFS:
            return ErrorCode::data_unwritable;
        default:
            return ErrorCode::io_failed;
    }
}

std::filesystem::path parent_of(const std::filesystem::path& path) {
    const auto parent = path.parent_path();
    return parent.empty() ? std::filesystem::path(".") : parent;
}

Result<void> write_all(const FileDescriptor& file, const std::filesystem::path& path,
                       std::uint64_t position, std::span<const std::byte> data) {
    while (!data.empty()) {
        const ssize_t written =
            ::pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(position));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return system_error(errno, "cannot write", path);
        data = data.subspan(static_cast<std::size_t>(written));
        position += static_cast<std::uint64_t>(written);
    }
    return {};
}

Result<void> sync_file(const FileDescriptor& file, const std::filesystem::path& path) {
    if (::fsync(file.get()) != 0) return system_error(errno, "cannot sync", path);
    return {};
}

class PosixReadableFile final : public ReadableFile {
public:
    PosixReadableFile(FileDescriptor file, std::filesystem::path path, std::uint64_t bytes)
        : file_(std::move(file)), path_(std::move(path)), bytes_(bytes) {}

    Result<std::size_t> read(std::uint64_t position, std::span<std::byte> into) override {
        return read_at(file_, path_, position, into);
    }
    std::uint64_t size() const override { return bytes_; }

private:
    const FileDescriptor file_;
    const std::filesystem::path path_;
    const std::uint64_t bytes_;
};

struct FileLock final : Disk::Lock {
    explicit FileLock(FileDescriptor file) : descriptor(std::move(file)) {}
    FileDescriptor descriptor;  // closing it gives the flock up
};

}  // namespace

Error system_error(int error_number, std::string_view what, const std::filesystem::path& path) {
    return {code_of(error_number),
            std::string(what) + " '" + path.string() + "': " + std::strerror(error_number)};
}

FileDescriptor::~FileDescriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

Result<FileDescriptor> open_descriptor(const std::filesystem::path& path, int flags) {
    for (;;) {
        const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
        if (descriptor >= 0) return FileDescriptor(descriptor);
        if (errno != EINTR) return system_error(errno, "cannot open", path);
    }
}

Result<std::uint64_t> descriptor_bytes(const FileDescriptor& file,
                                       const std::filesystem::path& path) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return system_error(errno, "cannot stat", path);
    return static_cast<std::uint64_t>(status.st_size);
}

Result<void> sync_directory(const std::filesystem::path& directory) {
    CASC_TRY(const auto descriptor, open_descriptor(directory, O_RDONLY | O_DIRECTORY));
    return sync_file(descriptor, directory);
}

Result<std::size_t> read_at(const FileDescriptor& file, const std::filesystem::path& path,
                            std::uint64_t position, std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t got = ::pread(file.get(), into.data() + done, into.size() - done,
                                    static_cast<off_t>(position + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(errno, "cannot read", path);
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

Result<std::unique_ptr<ReadableFile>> PosixDisk::open_to_read(const std::filesystem::path& path) {
    CASC_TRY(auto file, open_descriptor(path, O_RDONLY | (direct_ ? O_DIRECT : 0)));
    CASC_TRY(const auto bytes, descriptor_bytes(file, path));
    return std::unique_ptr<ReadableFile>(
        std::make_unique<PosixReadableFile>(std::move(file), path, bytes));
}

Result<void> PosixDisk::fill_file(const std::filesystem::path& path, std::uint64_t bytes) {
    CASC_ASSERT(bytes % kBlockAlignment == 0, bytes);
    CASC_TRY(const auto file, open_descriptor(path, O_WRONLY | O_CREAT | (direct_ ? O_DIRECT : 0)));
    CASC_TRY(const auto present, descriptor_bytes(file, path));
    if (present >= bytes) return {};
    const AlignedMemory zeros(std::min<std::uint64_t>(kFillBytes, bytes));
    // A size that is not whole blocks was left by a crash while the last block was written: write
    // that one again.
    for (std::uint64_t position = present & ~std::uint64_t{kBlockAlignment - 1};
         position < bytes;) {
        const auto chunk = std::min<std::uint64_t>(zeros.bytes().size(), bytes - position);
        CASC_TRY_VOID(write_all(file, path, position, zeros.bytes().first(chunk)));
        position += chunk;
    }
    CASC_TRY_VOID(sync_file(file, path));
    return sync_directory(parent_of(path));
}

Result<std::string> PosixDisk::read_file(const std::filesystem::path& path) {
    CASC_TRY(const auto file, open_descriptor(path, O_RDONLY));
    CASC_TRY(const auto bytes, descriptor_bytes(file, path));
    std::string content(bytes, '\0');
    CASC_TRY(const auto got, read_at(file, path, 0, std::as_writable_bytes(std::span(content))));
    content.resize(got);
    return content;
}

Result<void> PosixDisk::replace_file(const std::filesystem::path& path, std::string_view content) {
    auto temporary = path;
    temporary += ".new";
    {
        CASC_TRY(const auto file, open_descriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC));
        CASC_TRY_VOID(write_all(file, temporary, 0, std::as_bytes(std::span(content))));
        CASC_TRY_VOID(sync_file(file, temporary));
    }
    if (::rename(temporary.c_str(), path.c_str()) != 0)
        return system_error(errno, "cannot replace", path);
    return sync_directory(parent_of(path));
}

Result<std::vector<std::string>> PosixDisk::list(const std::filesystem::path& directory) {
    std::vector<std::string> names;
    std::error_code failed;
    for (std::filesystem::directory_iterator entry(directory, failed), end; !failed && entry != end;
         entry.increment(failed))
        names.push_back(entry->path().filename().string());
    if (failed) return system_error(failed.value(), "cannot list", directory);
    std::sort(names.begin(), names.end());
    return names;
}

Result<void> PosixDisk::make_directories(const std::filesystem::path& directory) {
    std::error_code failed;
    if (std::filesystem::is_directory(directory, failed)) return {};
    const auto parent = parent_of(directory);
    if (parent != directory) CASC_TRY_VOID(make_directories(parent));
    // Another process may have made it meanwhile.
    if (::mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST)
        return system_error(errno, "cannot create directory", directory);
    return sync_directory(parent);
}

Result<void> PosixDisk::remove_file(const std::filesystem::path& path) {
    if (::unlink(path.c_str()) != 0) return system_error(errno, "cannot remove", path);
    return sync_directory(parent_of(path));
}

Result<std::uint64_t> PosixDisk::free_bytes(const std::filesystem::path& path) {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0)
        return system_error(errno, "cannot stat file system of", path);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

Result<std::unique_ptr<Disk::Lock>> PosixDisk::lock(const std::filesystem::path& path) {
    CASC_TRY(auto file, open_descriptor(path, O_RDWR | O_CREAT));
    while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return Error(ErrorCode::data_locked, "another process holds '" + path.string() + "'");
        if (errno != EINTR) return system_error(errno, "cannot lock", path);
    }
    return std::unique_ptr<Lock>(std::make_unique<FileLock>(std::move(file)));
}

}  // namespace casc::storage::detail
