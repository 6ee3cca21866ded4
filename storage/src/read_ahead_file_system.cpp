#include "read_ahead_file_system.hpp"

#include "piece_cache.hpp"

#include <casc/types/units.hpp>

#include <algorithm>
#include <array>
#include <mutex>
#include <string>
#include <vector>

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
// A reader who has come so far in one go is worth whole pieces.
constexpr std::uint64_t kDirectAfterBytes = 256_KiB;
constexpr std::uint64_t kPiecesAheadMax = 3;
constexpr std::uint64_t kNoEnd = std::uint64_t{1} << 62;

struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

// Tells readers that go through a file from look-ups, several of each at a time.
class Runs {
public:
    struct Run {
        std::uint64_t end = ~std::uint64_t{0};
        std::uint64_t asked_until = 0;
        std::uint64_t bytes = 0;
    };

    // The run that [begin, end) continues; null: none.
    [[nodiscard]] Run* next(std::uint64_t begin, std::uint64_t end) {
        const auto found = std::find_if(runs_.begin(), runs_.end(),
                                        [&](const Run& run) { return run.end == begin; });
        if (found == runs_.end()) {
            oldest_ = (oldest_ + 1) % runs_.size();
            runs_[oldest_] = {end, end, end - begin};
            return nullptr;
        }
        found->end = end;
        found->bytes += end - begin;
        return &*found;
    }

private:
    std::array<Run, 8> runs_;
    std::size_t oldest_ = 0;
};

// What the kernel should be asked for before [begin, run.end) is read; empty: nothing. Not for what
// is behind the first `run_bytes_max` of the run.
ByteRange to_ask_for(Runs::Run& run, std::uint64_t begin, std::uint64_t run_bytes_max) {
    const std::uint64_t ahead = std::min(kAheadBytesMax, run.bytes * kAheadFactor);
    const std::uint64_t last = run.end - run.bytes + run_bytes_max;
    const std::uint64_t until = std::max(run.end, std::min(run.end + ahead, last));
    // Its own bytes too when they were not asked for: they would else wait behind the others.
    const ByteRange wanted{std::max(run.asked_until, begin), until};
    if (wanted.begin + kRequestBytes > wanted.end && run.asked_until >= run.end) return {};
    run.asked_until = until;
    return wanted;
}

// What the files of a file system share.
struct Shared {
    Shared(std::shared_ptr<rocksdb::FileSystem> target_system, FirstReads how)
        : target(std::move(target_system)),
          pieces(how == FirstReads::direct ? std::make_unique<PieceCache>() : nullptr) {}

    const std::shared_ptr<rocksdb::FileSystem> target;
    const std::unique_ptr<PieceCache> pieces;  // null: everything goes through the page cache

    // Null when it cannot be opened like that.
    [[nodiscard]] DirectFileRef open_direct(const std::string& path) const {
        rocksdb::FileOptions options;
        options.use_direct_reads = true;
        auto direct = std::make_shared<DirectFile>();
        const bool opened =
            target->NewRandomAccessFile(path, options, &direct->file, nullptr).ok() &&
            target->GetFileSize(path, {}, &direct->size, nullptr).ok();
        return opened ? direct : nullptr;
    }
};

class ReadAheadFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
public:
    ReadAheadFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::string path,
                  std::shared_ptr<Shared> shared)
        : FSRandomAccessFileOwnerWrapper(std::move(file)),
          path_(std::move(path)),
          shared_(std::move(shared)) {}
    ~ReadAheadFile() override {
        if (const auto direct = direct_.lock()) shared_->pieces->forget(*direct);
    }

    IOStatus Read(uint64_t offset, size_t bytes, const IOOptions& options, rocksdb::Slice* result,
                  char* scratch, IODebugContext* debug) const override {
        const Plan plan = plan_for(offset, offset + bytes);
        if (plan.direct) {
            for (std::size_t i = 0; i < plan.expected_count; ++i)
                shared_->pieces->expect(plan.direct, plan.expected[i]);
            if (const auto read = shared_->pieces->read(plan.direct, offset, bytes, scratch)) {
                *result = {scratch, *read};
                return IOStatus::OK();
            }
        }
        // A hint: that it cannot be taken changes nothing for the read.
        for (std::uint64_t at = plan.asked.begin; at < plan.asked.end; at += kRequestBytes)
            if (!target()
                     ->Prefetch(at, std::min(kRequestBytes, plan.asked.end - at), options, debug)
                     .ok())
                break;
        return target()->Read(offset, bytes, options, result, scratch, debug);
    }

private:
    struct Plan {
        DirectFileRef direct;                                 // null: through the page cache
        std::array<std::uint64_t, kPiecesAheadMax> expected;  // pieces to come
        std::size_t expected_count = 0;
        ByteRange asked;
    };

    [[nodiscard]] Plan plan_for(std::uint64_t begin, std::uint64_t end) const {
        const std::lock_guard lock(mutex_);
        Runs::Run* const run = runs_.next(begin, end);
        Plan plan;
        if (run == nullptr) return plan;
        const bool can_be_direct = shared_->pieces != nullptr;
        if (can_be_direct && run->bytes > kDirectAfterBytes) plan_direct(plan, begin, *run);
        if (plan.direct) {
            run->asked_until = end;
            return plan;
        }
        const bool will_be_direct = can_be_direct && run->bytes <= kDirectAfterBytes &&
                                    !was_read(PieceCache::piece_of(end));
        plan.asked = to_ask_for(*run, begin, will_be_direct ? kDirectAfterBytes : kNoEnd);
        return plan;
    }

    void plan_direct(Plan& plan, std::uint64_t begin, const Runs::Run& run) const {
        const std::uint64_t first = PieceCache::piece_of(begin);
        const std::uint64_t last = PieceCache::piece_of(run.end - 1);
        const std::uint64_t ahead =
            std::min(kPiecesAheadMax, run.bytes * kAheadFactor / PieceCache::kPieceBytes);
        DirectFileRef direct = direct_.lock();
        // Read before and gone since: this time the page cache takes it up.
        if (was_read(first) && !(direct && shared_->pieces->holds(*direct, first))) return;
        if (!direct) direct_ = direct = shared_->open_direct(path_);
        if (!direct) return;
        if (read_.size() <= last) read_.resize(last + 1);
        std::fill(read_.begin() + static_cast<std::ptrdiff_t>(first),
                  read_.begin() + static_cast<std::ptrdiff_t>(last) + 1, true);
        for (std::uint64_t piece = last + 1; piece <= last + ahead; ++piece) {
            if (!was_read(piece)) plan.expected[plan.expected_count++] = piece;
        }
        plan.direct = std::move(direct);
    }

    [[nodiscard]] bool was_read(std::uint64_t piece) const {
        return piece < read_.size() && read_[piece];
    }

    const std::string path_;
    const std::shared_ptr<Shared> shared_;
    mutable std::mutex mutex_;  // held for a few comparisons per block read
    mutable Runs runs_;
    mutable std::vector<bool> read_;                  // pieces that have gone past the page cache
    mutable std::weak_ptr<const DirectFile> direct_;  // open as long as pieces of it are held
};

class ReadAheadFileSystem final : public rocksdb::FileSystemWrapper {
public:
    ReadAheadFileSystem(std::shared_ptr<rocksdb::FileSystem> target, FirstReads first_reads)
        : FileSystemWrapper(target),
          shared_(std::make_shared<Shared>(std::move(target), first_reads)) {}
    const char* Name() const override { return "casc.read_ahead"; }

    IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                 IODebugContext* debug) override {
        IOStatus status = target()->NewRandomAccessFile(path, options, file, debug);
        // Whoever asks for direct reads has memory of its own.
        if (status.ok() && !options.use_direct_reads)
            *file = std::make_unique<ReadAheadFile>(std::move(*file), path, shared_);
        return status;
    }

private:
    const std::shared_ptr<Shared> shared_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_read_ahead_file_system(
    std::shared_ptr<rocksdb::FileSystem> target, FirstReads first_reads) {
    return std::make_shared<ReadAheadFileSystem>(std::move(target), first_reads);
}

}  // namespace casc::storage
