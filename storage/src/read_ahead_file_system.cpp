#include "read_ahead_file_system.hpp"

#include <casc/types/units.hpp>

#include <algorithm>
#include <atomic>

namespace casc::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// Reads of at least so much come from a reader that goes through the file; look-ups read a block.
constexpr std::uint64_t kLargeReadBytes = 128_KiB;
// How far ahead: 2 ms of a fast device, and little beside the 64 MiB of a file.
constexpr std::uint64_t kAheadBytes = 4_MiB;
// The kernel takes only as much of one request as one request of the device can be.
constexpr std::uint64_t kRequestBytes = 256_KiB;

class ReadAheadFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
public:
    explicit ReadAheadFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file)
        : FSRandomAccessFileOwnerWrapper(std::move(file)) {}

    IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& options, rocksdb::Slice* result,
                  char* scratch, IODebugContext* debug) const override {
        if (bytes >= kLargeReadBytes) look_ahead(offset, offset + bytes, options, debug);
        return target()->Read(offset, bytes, options, result, scratch, debug);
    }

private:
    // Several readers may be in the file: each spoils the other's guess and nothing else.
    void look_ahead(std::uint64_t begin, std::uint64_t end, const IOOptions& options,
                    IODebugContext* debug) const {
        const bool continues = last_end_.exchange(end, std::memory_order_relaxed) == begin;
        if (!continues) return;
        std::uint64_t from = std::max(end, asked_until_.load(std::memory_order_relaxed));
        if (from > end + kAheadBytes) from = end;  // of another reader, further on
        const std::uint64_t until = end + kAheadBytes;
        for (; from + kRequestBytes <= until; from += kRequestBytes)
            if (!target()->Prefetch(from, kRequestBytes, options, debug).ok()) break;
        asked_until_.store(from, std::memory_order_relaxed);
    }

    mutable std::atomic<std::uint64_t> last_end_{0};
    mutable std::atomic<std::uint64_t> asked_until_{0};
};

class ReadAheadFileSystem final : public rocksdb::FileSystemWrapper {
public:
    using FileSystemWrapper::FileSystemWrapper;
    const char* Name() const override { return "casc.read_ahead"; }

    IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                 IODebugContext* debug) override {
        IOStatus status = target()->NewRandomAccessFile(path, options, file, debug);
        // Direct reads pass the kernel's memory by.
        if (status.ok() && !options.use_direct_reads)
            *file = std::make_unique<ReadAheadFile>(std::move(*file));
        return status;
    }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_read_ahead_file_system(
    std::shared_ptr<rocksdb::FileSystem> target) {
    return std::make_shared<ReadAheadFileSystem>(std::move(target));
}

}  // namespace casc::storage
