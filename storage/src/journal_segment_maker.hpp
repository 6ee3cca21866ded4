#pragma once
// storage/src/journal_segment_maker.hpp: fills a new segment file on a thread of its own, because
// that takes tens of milliseconds and the shard never waits. One file at a time.
//
// Thread:   owning shard, except the helper thread inside.
// Lifetime: `disk` and `queue` must outlive it; the destructor waits for the file being made.

#include <casc/storage/disk.hpp>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

namespace casc::storage::detail {

class SegmentMaker {
public:
    // `queue` is woken when a file is ready.
    SegmentMaker(Disk& disk, WriteQueue& queue) : disk_(disk), queue_(queue) {}
    ~SegmentMaker();
    SegmentMaker(const SegmentMaker&) = delete;
    SegmentMaker& operator=(const SegmentMaker&) = delete;

    [[nodiscard]] bool idle() const noexcept {
        return state_.load(std::memory_order_acquire) == State::idle;
    }

    // Starts making `path`. Requires idle().
    void post_make(const std::filesystem::path& path, std::uint64_t bytes);

    // The outcome of the last post_make() once it is there; afterwards the maker is idle again.
    [[nodiscard]] std::optional<Result<void>> take();

private:
    enum class State : int { idle, asked, done, stopping };
    void run();

    Disk& disk_;
    WriteQueue& queue_;
    // Each side owns these while state_ is its own: the shard in `idle` and `done`, the helper in
    // `asked`. The release store that changes state_ pairs with the acquire load of the other side.
    std::filesystem::path path_;
    std::uint64_t bytes_ = 0;
    Result<void> outcome_;
    std::atomic<State> state_{State::idle};
    std::thread helper_;  // started with the first request; last, so that it sees all of the above
};

}  // namespace casc::storage::detail
