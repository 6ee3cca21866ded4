#include "read_ahead_file_system.hpp"

#include <casc/types/units.hpp>

#include <algorithm>
#include <array>
#include <mutex>

namespace casc::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// How far ahead at most: 2 ms of a fast device, and little beside the 64 MiB of a file.
constexpr std::uint64_t kAheadBytesMax = 4_MiB;
// So many times what a reader has read in one go, so that a short run reads little for nothing.
constexpr std::uint64_t kAheadFactor = 4;
// The kernel takes only as much of one request as one request of the device can be.
constexpr std::uint64_t kRequestBytes = 256_KiB;

struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

// Tells readers that go through a file from look-ups, several of each at a time.
// Thread: any.
class Runs {
public:
    // What the kernel should be asked for before [begin, end) is read; empty: nothing.
    [[nodiscard]] ByteRange next(std::uint64_t begin, std::uint64_t end) {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(runs_.begin(), runs_.end(),
                                        [&](const Run& run) { return run.end == begin; });
        if (found == runs_.end()) {
            oldest_ = (oldest_ + 1) % runs_.size();
            runs_[oldest_] = {end, end, end - begin};
            return {};
        }
        Run& run = *found;
        run.end = end;
        run.bytes += end - begin;
        const std::uint64_t until = end + std::min(kAheadBytesMax, run.bytes * kAheadFactor);
        // Its own bytes too when they were not asked for: they would else wait behind the others.
        const ByteRange wanted{std::max(run.asked_until, begin), until};
        if (wanted.begin + kRequestBytes > wanted.end && run.asked_until >= end) return {};
        run.asked_until = until;
        return wanted;
    }

private:
    struct Run {
        std::uint64_t end = ~std::uint64_t{0};
        std::uint64_t asked_until = 0;
        std::uint64_t bytes = 0;
    };
    std::mutex mutex_;  // held for a few comparisons per block read
    std::array<Run, 8> runs_;
    std::size_t oldest_ = 0;
};

class ReadAheadFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
public:
    explicit ReadAheadFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file)
        : FSRandomAccessFileOwnerWrapper(std::move(file)) {}

    IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& options, rocksdb::Slice* result,
                  char* scratch, IODebugContext* debug) const override {
        const ByteRange wanted = runs_.next(offset, offset + bytes);
        // A hint: that it cannot be taken changes nothing for the read.
        for (std::uint64_t at = wanted.begin; at < wanted.end; at += kRequestBytes)
            if (!target()
                     ->Prefetch(at, std::min(kRequestBytes, wanted.end - at), options, debug)
                     .ok())
                break;
        return target()->Read(offset, bytes, options, result, scratch, debug);
    }

private:
    mutable Runs runs_;
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
