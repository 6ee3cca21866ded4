// O_DIRECT + O_DSYNC writes through io_uring. The only file that knows liburing.

#include "disk_memory.hpp"
#include "disk_posix.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/units.hpp>

#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace casc::storage {

namespace {

using detail::FileDescriptor;
using detail::system_error;

// A large write goes out as several of this size, submitted together: the device works on them side
// by side, and one slow part does not hold up the submission of the rest. Median MB/s of three runs
// on a busy two-core machine, writes of 256 KiB x 4 / 1 MiB x 4, by chunk: 64 KiB 1500/1300, 128
// KiB 1770/2010, 256 KiB 2010/2430, whole 970/2040.
constexpr std::size_t kChunkBytes = 256_KiB;
// In the kernel at once, over all writes of a queue; the rest waits here. Bounds the rings, so that
// the completion ring cannot overflow. 32 MiB keeps every device busy.
constexpr unsigned kChunksInKernelMax = 128;
// The kernel may ask to try again; when it does not stop asking, the write has failed.
constexpr unsigned kRetriesMax = 1000;

struct Ring {
    ::io_uring ring{};
    bool alive = false;

    Ring() = default;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring() {
        if (alive) ::io_uring_queue_exit(&ring);
    }

    Result<void> start() {
        const int failed = ::io_uring_queue_init(kChunksInKernelMax, &ring, 0);
        if (failed < 0)
            return system_error(-failed, "io_uring is refused by the kernel:", "io_uring_setup");
        alive = true;
        return {};
    }
};

// A part of a write.
struct Chunk {
    unsigned write;  // index in UringQueue::writes_
    int descriptor;
    std::uint64_t position;
    std::span<const std::byte> rest;  // not yet written
    unsigned retries = 0;
};

struct Write {
    std::uint64_t token;
    unsigned chunks_left = 0;
    int error_number = 0;
    const std::filesystem::path* path = nullptr;  // for the message
};

class UringQueue final : public WriteQueue {
public:
    UringQueue(Disk& disk, unsigned writes_in_flight_max) : disk_(disk) {
        writes_.resize(writes_in_flight_max);
        chunks_.resize(kChunksInKernelMax);
        for (unsigned i = writes_in_flight_max; i-- > 0;)
            free_writes_.push_back(i);
        for (unsigned i = kChunksInKernelMax; i-- > 0;)
            free_chunks_.push_back(i);
    }
    ~UringQueue() override {
        // The kernel must not write from memory whose owner has gone.
        std::vector<WriteCompletion> ignored;
        while (free_writes_.size() < writes_.size())
            wait(ignored);
    }

    Result<void> start() {
        CASC_TRY_VOID(ring_.start());
        event_ = FileDescriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (event_.get() < 0) return system_error(errno, "cannot create", "eventfd");
        const int failed = ::io_uring_register_eventfd(&ring_.ring, event_.get());
        if (failed < 0) return system_error(-failed, "cannot register", "eventfd");
        return {};
    }

    void poll(std::vector<WriteCompletion>& completed) override;
    void wait(std::vector<WriteCompletion>& completed) override;
    int event_fd() const override { return event_.get(); }
    void wake() noexcept override { static_cast<void>(::eventfd_write(event_.get(), 1)); }
    Result<std::unique_ptr<DurableFile>> open(const std::filesystem::path& path,
                                              std::uint64_t bytes) override;

    void submit(int descriptor, const std::filesystem::path& path, std::uint64_t position,
                std::span<const std::byte> data, std::uint64_t token);

private:
    void push_waiting();
    void push(unsigned chunk);
    void reap(std::vector<WriteCompletion>& completed);
    void finish_chunk(unsigned chunk, int result, std::vector<WriteCompletion>& completed);
    void finish_write(unsigned write, std::vector<WriteCompletion>& completed);

    Disk& disk_;
    FileDescriptor event_;  // outlives the ring, which signals it
    Ring ring_;
    std::vector<Write> writes_;
    std::vector<Chunk> chunks_;
    std::vector<unsigned> free_writes_;
    std::vector<unsigned> free_chunks_;
    std::vector<Chunk>
        waiting_;  // chunks that found the kernel full, oldest first from waiting_first_
    std::size_t waiting_first_ = 0;
};

class UringFile final : public DurableFile {
public:
    UringFile(UringQueue& queue, FileDescriptor file, std::filesystem::path path,
              std::uint64_t bytes)
        : queue_(queue), file_(std::move(file)), path_(std::move(path)), bytes_(bytes) {}

    void submit_write(std::uint64_t position, std::span<const std::byte> data,
                      std::uint64_t token) override {
        CASC_ASSERT(position % kBlockAlignment == 0 && data.size() % kBlockAlignment == 0, position,
                    data.size());
        CASC_ASSERT(!data.empty() && position + data.size() <= bytes_, position, data.size(),
                    bytes_);
        queue_.submit(file_.get(), path_, position, data, token);
    }
    Result<std::size_t> read(std::uint64_t position, std::span<std::byte> into) override {
        return detail::read_at(file_, path_, position, into);
    }
    std::uint64_t size() const override { return bytes_; }
    Result<void> sync() override {
        if (::fdatasync(file_.get()) != 0) return system_error(errno, "cannot sync", path_);
        return {};
    }

private:
    UringQueue& queue_;
    const FileDescriptor file_;
    const std::filesystem::path path_;
    const std::uint64_t bytes_;
};

void UringQueue::submit(int descriptor, const std::filesystem::path& path, std::uint64_t position,
                        std::span<const std::byte> data, std::uint64_t token) {
    CASC_ASSERT(!free_writes_.empty(), writes_.size());
    const unsigned write = free_writes_.back();
    free_writes_.pop_back();
    writes_[write] = {.token = token, .path = &path};
    while (!data.empty()) {
        const auto part = data.first(std::min(kChunkBytes, data.size()));
        waiting_.push_back({write, descriptor, position, part});
        ++writes_[write].chunks_left;
        position += part.size();
        data = data.subspan(part.size());
    }
    push_waiting();
}

// Hands the kernel as much of what waits as it may hold, in one system call.
void UringQueue::push_waiting() {
    while (waiting_first_ < waiting_.size() && !free_chunks_.empty()) {
        const unsigned chunk = free_chunks_.back();
        free_chunks_.pop_back();
        chunks_[chunk] = waiting_[waiting_first_++];
        push(chunk);
    }
    if (waiting_first_ == waiting_.size()) {
        waiting_.clear();
        waiting_first_ = 0;
    }
    // What the kernel does not take now (out of memory for a moment, interrupted) stays in the ring
    // for the next call.
    if (::io_uring_sq_ready(&ring_.ring) > 0) static_cast<void>(::io_uring_submit(&ring_.ring));
}

void UringQueue::push(unsigned chunk) {
    auto* entry = ::io_uring_get_sqe(&ring_.ring);
    CASC_ASSERT(entry != nullptr, kChunksInKernelMax);  // as many entries as chunks
    const auto& c = chunks_[chunk];
    ::io_uring_prep_write(entry, c.descriptor, c.rest.data(), static_cast<unsigned>(c.rest.size()),
                          c.position);
    ::io_uring_sqe_set_data64(entry, chunk);
}

void UringQueue::poll(std::vector<WriteCompletion>& completed) {
    // Read before the completions are taken: one that arrives in between leaves the descriptor
    // readable. Always read, because the signal of a completion that an earlier poll() already took
    // may come late.
    eventfd_t signals = 0;
    static_cast<void>(::eventfd_read(event_.get(), &signals));
    reap(completed);
    push_waiting();
}

void UringQueue::wait(std::vector<WriteCompletion>& completed) {
    CASC_ASSERT(free_writes_.size() < writes_.size());
    const auto before = completed.size();
    for (poll(completed); completed.size() == before; poll(completed)) {
        const int failed = ::io_uring_submit_and_wait(&ring_.ring, 1);
        CASC_ASSERT(failed >= 0 || failed == -EINTR || failed == -EAGAIN || failed == -EBUSY,
                    failed);
    }
}

void UringQueue::reap(std::vector<WriteCompletion>& completed) {
    ::io_uring_cqe* entry = nullptr;
    while (::io_uring_peek_cqe(&ring_.ring, &entry) == 0) {
        const auto chunk = static_cast<unsigned>(::io_uring_cqe_get_data64(entry));
        const int result = entry->res;
        ::io_uring_cqe_seen(&ring_.ring, entry);
        finish_chunk(chunk, result, completed);
    }
}

void UringQueue::finish_chunk(unsigned chunk, int result, std::vector<WriteCompletion>& completed) {
    auto& c = chunks_[chunk];
    const bool retry = result == -EINTR || result == -EAGAIN;
    if (result > 0) {
        c.rest = c.rest.subspan(static_cast<std::size_t>(result));
        c.position += static_cast<std::uint64_t>(result);
    }
    // A short write must stay aligned to go on; the device gives whole sectors.
    const bool more = (result > 0 || retry) && !c.rest.empty();
    if (more && ++c.retries < kRetriesMax) {
        push(chunk);  // goes to the kernel with the push_waiting() that follows every reap()
        return;
    }
    auto& write = writes_[c.write];
    if (!c.rest.empty() && write.error_number == 0) write.error_number = result < 0 ? -result : EIO;
    free_chunks_.push_back(chunk);
    if (--write.chunks_left == 0) finish_write(c.write, completed);
}

void UringQueue::finish_write(unsigned write, std::vector<WriteCompletion>& completed) {
    const auto& w = writes_[write];
    if (w.error_number == 0)
        completed.push_back({w.token, {}});
    else
        completed.push_back({w.token, system_error(w.error_number, "cannot write", *w.path)});
    free_writes_.push_back(write);
}

Result<std::unique_ptr<DurableFile>> UringQueue::open(const std::filesystem::path& path,
                                                      std::uint64_t bytes) {
    CASC_TRY_VOID(disk_.fill_file(path, bytes));
    CASC_TRY(auto file, detail::open_descriptor(path, O_RDWR | O_DIRECT | O_DSYNC));
    CASC_TRY(const auto present, detail::descriptor_bytes(file, path));
    if (present != bytes)
        return Error(ErrorCode::invalid_config,
                     "'" + path.string() + "' has " + std::to_string(present) +
                         " bytes and not the " + std::to_string(bytes) + " asked for");
    return std::unique_ptr<DurableFile>(
        std::make_unique<UringFile>(*this, std::move(file), path, bytes));
}

class UringDisk final : public detail::PosixDisk {
public:
    UringDisk() : PosixDisk(true) {}
    std::string name() const override { return "io_uring"; }
    Result<std::unique_ptr<WriteQueue>> make_write_queue(unsigned writes_in_flight_max) override {
        auto queue = std::make_unique<UringQueue>(*this, writes_in_flight_max);
        CASC_TRY_VOID(queue->start());
        return std::unique_ptr<WriteQueue>(std::move(queue));
    }
};

// One real write, so that whatever is missing is found now and not by the first event.
Result<void> probe(Disk& disk, const std::filesystem::path& file_path) {
    CASC_TRY(const auto queue, disk.make_write_queue(1));
    CASC_TRY(const auto file, queue->open(file_path, kBlockAlignment));
    const detail::AlignedMemory block(kBlockAlignment);
    std::vector<WriteCompletion> completed;
    file->submit_write(0, block.bytes(), 0);
    queue->wait(completed);
    return completed.front().result;
}

}  // namespace

Result<std::unique_ptr<Disk>> make_uring_disk(const std::filesystem::path& directory) {
    auto disk = std::make_unique<UringDisk>();
    CASC_TRY_VOID(disk->make_directories(directory));
    const auto file_path = directory / ("probe-" + std::to_string(::getpid()));
    const auto probed = probe(*disk, file_path);
    ::unlink(file_path.c_str());
    if (probed) return std::unique_ptr<Disk>(std::move(disk));
    // A full or read-only disk is not cured by writing to it in another way.
    const auto& error = probed.error();
    if (error.code == ErrorCode::disk_full) return error;
    return Error(ErrorCode::not_supported, error.detail);
}

}  // namespace casc::storage
