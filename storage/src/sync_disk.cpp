// pwritev2 with RWF_DSYNC, for kernels and file systems without io_uring or O_DIRECT.
//
// submit_write() only remembers; poll() and wait() write everything remembered, blocking, and
// neighbouring entries of a file go out in one call with one flush. So this queue is never faster
// than the disk's flush, and its owner waits in poll(): the broker says so at start.

#include "disk_posix.hpp"

#include <casc/storage/block.hpp>
#include <casc/types/assert.hpp>

#include <climits>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace casc::storage {

namespace {

using detail::FileDescriptor;
using detail::system_error;

class SyncFile;

struct WaitingWrite {
    SyncFile* file;
    std::uint64_t position;
    std::span<const std::byte> data;
    std::uint64_t token;
};

class SyncQueue final : public WriteQueue {
public:
    SyncQueue(Disk& disk, unsigned writes_in_flight_max)
        : disk_(disk), writes_in_flight_max_(writes_in_flight_max) {
        waiting_.reserve(writes_in_flight_max);
    }

    void poll(std::vector<WriteCompletion>& completed) override;
    void wait(std::vector<WriteCompletion>& completed) override {
        CASC_ASSERT(!waiting_.empty());
        poll(completed);
    }
    int event_fd() const override { return -1; }
    void wake() noexcept override {}
    Result<std::unique_ptr<DurableFile>> open(const std::filesystem::path& path,
                                              std::uint64_t bytes) override;

    void push(const WaitingWrite& write) {
        CASC_ASSERT(waiting_.size() < writes_in_flight_max_, waiting_.size());
        waiting_.push_back(write);
    }

private:
    Disk& disk_;
    const unsigned writes_in_flight_max_;
    std::vector<WaitingWrite> waiting_;
    std::vector<iovec> vectors_;
};

class SyncFile final : public DurableFile {
public:
    SyncFile(SyncQueue& queue, FileDescriptor file, std::filesystem::path path, std::uint64_t bytes)
        : queue_(queue), file_(std::move(file)), path_(std::move(path)), bytes_(bytes) {}

    void submit_write(std::uint64_t position, std::span<const std::byte> data,
                      std::uint64_t token) override {
        CASC_ASSERT(position % kBlockAlignment == 0 && data.size() % kBlockAlignment == 0, position,
                    data.size());
        CASC_ASSERT(position + data.size() <= bytes_, position, data.size(), bytes_);
        queue_.push({this, position, data, token});
    }
    Result<std::size_t> read(std::uint64_t position, std::span<std::byte> into) override {
        return detail::read_at(file_, path_, position, into);
    }
    std::uint64_t size() const override { return bytes_; }
    Result<void> sync() override {
        if (::fdatasync(file_.get()) != 0) return system_error(errno, "cannot sync", path_);
        return {};
    }

    Result<void> write_durably(std::uint64_t position, std::span<iovec> vectors);

private:
    SyncQueue& queue_;
    const FileDescriptor file_;
    const std::filesystem::path path_;
    const std::uint64_t bytes_;
};

// Drops the first `bytes` bytes of `vectors`.
std::span<iovec> skip(std::span<iovec> vectors, std::size_t bytes) {
    while (!vectors.empty() && bytes >= vectors.front().iov_len) {
        bytes -= vectors.front().iov_len;
        vectors = vectors.subspan(1);
    }
    if (bytes > 0) {
        vectors.front().iov_base = static_cast<std::byte*>(vectors.front().iov_base) + bytes;
        vectors.front().iov_len -= bytes;
    }
    return vectors;
}

Result<void> SyncFile::write_durably(std::uint64_t position, std::span<iovec> vectors) {
    int flags = RWF_DSYNC;
    while (!vectors.empty()) {
        const auto count = static_cast<int>(std::min<std::size_t>(vectors.size(), IOV_MAX));
        const ssize_t written =
            ::pwritev2(file_.get(), vectors.data(), count, static_cast<off_t>(position), flags);
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        // Some layered file systems know no flags; they get the flush as a call of its own.
        if (written < 0 && errno == EOPNOTSUPP && flags != 0) {
            flags = 0;
            continue;
        }
        if (written < 0) return system_error(errno, "cannot write", path_);
        if (written == 0)
            return Error(ErrorCode::io_failed, "nothing was written to '" + path_.string() + "'");
        position += static_cast<std::uint64_t>(written);
        vectors = skip(vectors, static_cast<std::size_t>(written));
    }
    return flags == 0 ? sync() : Result<void>();
}

void SyncQueue::poll(std::vector<WriteCompletion>& completed) {
    for (std::size_t first = 0; first < waiting_.size();) {
        vectors_.clear();
        std::size_t last = first;
        std::uint64_t end = waiting_[first].position;
        for (; last < waiting_.size() && waiting_[last].file == waiting_[first].file &&
               waiting_[last].position == end;
             ++last) {
            const auto data = waiting_[last].data;
            vectors_.push_back(
                {const_cast<std::byte*>(data.data()), data.size()});  // iovec serves reads too
            end += data.size();
        }
        const auto result = waiting_[first].file->write_durably(waiting_[first].position, vectors_);
        for (; first < last; ++first)
            completed.push_back({waiting_[first].token, result});
    }
    waiting_.clear();
}

Result<std::unique_ptr<DurableFile>> SyncQueue::open(const std::filesystem::path& path,
                                                     std::uint64_t bytes) {
    CASC_TRY_VOID(disk_.fill_file(path, bytes));
    CASC_TRY(auto file, detail::open_descriptor(path, O_RDWR));
    CASC_TRY(const auto present, detail::descriptor_bytes(file, path));
    if (present != bytes)
        return Error(ErrorCode::invalid_config,
                     "'" + path.string() + "' has " + std::to_string(present) +
                         " bytes and not the " + std::to_string(bytes) + " asked for");
    return std::unique_ptr<DurableFile>(
        std::make_unique<SyncFile>(*this, std::move(file), path, bytes));
}

class SyncDisk final : public detail::PosixDisk {
public:
    SyncDisk() : PosixDisk(false) {}
    std::string name() const override { return "pwritev2"; }
    Result<std::unique_ptr<WriteQueue>> make_write_queue(unsigned writes_in_flight_max) override {
        return std::unique_ptr<WriteQueue>(
            std::make_unique<SyncQueue>(*this, writes_in_flight_max));
    }
};

}  // namespace

Result<std::unique_ptr<Disk>> make_sync_disk() {
    return std::unique_ptr<Disk>(std::make_unique<SyncDisk>());
}

}  // namespace casc::storage
