#pragma once
// casc/storage/disk.hpp: the door to the disk, under the journal and RocksDB alike.
//
// Three implementations: make_uring_disk (O_DIRECT + O_DSYNC through io_uring), make_sync_disk
// (pwritev2 with RWF_DSYNC, where io_uring or O_DIRECT is missing) and SimulatedDisk
// (casc/storage/simulated_disk.hpp), which loses what was not completed, tears, reorders, flips
// bits, fails, fills up and slows down on command.

#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace casc::storage {

// One completed write. `token` is what the caller gave to submit_write.
struct WriteCompletion {
    std::uint64_t token;
    Result<void> result;
};

// A file of whole blocks that is read and not written: recovery looks at the journal through this
// type, so that it cannot change what it judges. Thread: one at a time.
class ReadableFile {
public:
    virtual ~ReadableFile() = default;

    // Blocking read of whole blocks into memory aligned to kBlockAlignment; returns the bytes read,
    // fewer only at the end of the file.
    [[nodiscard]] virtual Result<std::size_t> read(std::uint64_t position,
                                                   std::span<std::byte> into) = 0;

    [[nodiscard]] virtual std::uint64_t size() const = 0;
};

// A file for durable, block-aligned, asynchronous writes.
// Thread: owning shard. Lifetime: destroyed before its WriteQueue, with no write in flight.
class DurableFile : public ReadableFile {
public:
    // Starts a write that is durable when its completion is reported. `data` and `position` are
    // multiples of kBlockAlignment, and `data` stays untouched until then. Never waits; at most
    // `writes_in_flight_max` (given when the queue was made) may be outstanding over all files of
    // one queue.
    virtual void submit_write(std::uint64_t position, std::span<const std::byte> data,
                              std::uint64_t token) = 0;

    // Blocking: whatever can be read from the file now is durable on return, also what an earlier
    // process wrote without living to see it complete (it may still be in the page cache or in the
    // device's write cache).
    [[nodiscard]] virtual Result<void> sync() = 0;
};

// Gathers the completions of all DurableFiles opened on it.
// Thread: owning shard.
class WriteQueue {
public:
    virtual ~WriteQueue() = default;

    // Appends what has completed since the last call to `completed`; never waits.
    virtual void poll(std::vector<WriteCompletion>& completed) = 0;

    // Waits until at least one write has completed (there must be one in flight).
    virtual void wait(std::vector<WriteCompletion>& completed) = 0;

    // Readable when poll() would find something, for an event loop; poll() and wait() make it
    // unreadable again. -1 where completions are immediate on poll().
    [[nodiscard]] virtual int event_fd() const = 0;

    // Thread: any. Makes event_fd() readable though no write has completed.
    virtual void wake() noexcept = 0;

    // Opens `path` with exactly `bytes` bytes, every block of which has been written once (a write
    // to a block that was only reserved has to change file metadata and is less than half as fast).
    // Creates and fills it when missing or shorter; the result and its directory entry are durable.
    [[nodiscard]] virtual Result<std::unique_ptr<DurableFile>> open(
        const std::filesystem::path& path, std::uint64_t bytes) = 0;
};

// Thread: any. Lifetime: must outlive its queues, files and locks.
class Disk {
public:
    virtual ~Disk() = default;

    // What it is, for logs and `casc-admin node info`: "io_uring", "pwritev2", "simulated".
    [[nodiscard]] virtual std::string name() const = 0;

    [[nodiscard]] virtual Result<std::unique_ptr<WriteQueue>> make_write_queue(
        unsigned writes_in_flight_max) = 0;

    // Opens an existing file; data_missing when there is none.
    [[nodiscard]] virtual Result<std::unique_ptr<ReadableFile>> open_to_read(
        const std::filesystem::path& path) = 0;

    // The slow half of WriteQueue::open(): makes `path` at least `bytes` long, every block written
    // once, file and directory entry durable, so that opening it later on the owning shard does not
    // wait. On failure `path` may be left shorter.
    [[nodiscard]] virtual Result<void> fill_file(const std::filesystem::path& path,
                                                 std::uint64_t bytes) = 0;

    // Small files and directories; every change is durable on return.
    [[nodiscard]] virtual Result<std::string> read_file(const std::filesystem::path& path) = 0;
    [[nodiscard]] virtual Result<void> replace_file(const std::filesystem::path& path,
                                                    std::string_view content) = 0;
    [[nodiscard]] virtual Result<std::vector<std::string>> list(
        const std::filesystem::path& directory) = 0;
    [[nodiscard]] virtual Result<void> make_directories(const std::filesystem::path& directory) = 0;
    [[nodiscard]] virtual Result<void> remove_file(const std::filesystem::path& path) = 0;
    [[nodiscard]] virtual Result<std::uint64_t> free_bytes(const std::filesystem::path& path) = 0;

    // Held until the returned handle is destroyed; data_locked when another process has it.
    struct Lock {
        virtual ~Lock() = default;
    };
    [[nodiscard]] virtual Result<std::unique_ptr<Lock>> lock(const std::filesystem::path& path) = 0;

    // The rocksdb::FileSystem to open RocksDB with, as an opaque pointer so that RocksDB's headers
    // stay in src/; nullptr: RocksDB's own.
    [[nodiscard]] virtual std::shared_ptr<void> rocksdb_file_system() = 0;
};

// `directory` is probed for O_DIRECT. Fails with not_supported where the kernel refuses io_uring or
// O_DIRECT.
[[nodiscard]] Result<std::unique_ptr<Disk>> make_uring_disk(const std::filesystem::path& directory);
[[nodiscard]] Result<std::unique_ptr<Disk>> make_sync_disk();

// io_uring where it works, else pwritev2; `why` says why when it is the latter, for the start-up
// log.
[[nodiscard]] Result<std::unique_ptr<Disk>> make_best_disk(const std::filesystem::path& directory,
                                                           std::string& why);

}  // namespace casc::storage
