#include "journal_segment_maker.hpp"

#include <casc/types/assert.hpp>

#include <pthread.h>

namespace casc::storage::detail {

SegmentMaker::~SegmentMaker() {
    if (!helper_.joinable()) return;
    // The helper leaves `asked` by itself; only then may `stopping` be stored, or it would
    // overwrite it with `done`.
    for (auto state = state_.load(std::memory_order_acquire); state == State::asked;
         state = state_.load(std::memory_order_acquire))
        state_.wait(state, std::memory_order_acquire);
    state_.store(State::stopping, std::memory_order_release);
    state_.notify_all();
    helper_.join();
}

void SegmentMaker::post_make(const std::filesystem::path& path, std::uint64_t bytes) {
    CASC_ASSERT(idle());
    path_ = path;
    bytes_ = bytes;
    state_.store(State::asked, std::memory_order_release);
    if (helper_.joinable())
        state_.notify_all();
    else
        helper_ = std::thread([this] { run(); });
}

std::optional<Result<void>> SegmentMaker::take() {
    if (state_.load(std::memory_order_acquire) != State::done) return std::nullopt;
    std::optional<Result<void>> outcome(std::move(outcome_));
    state_.store(State::idle, std::memory_order_release);
    return outcome;
}

void SegmentMaker::run() {
    pthread_setname_np(pthread_self(), "casc-segments");
    for (;;) {
        const auto state = state_.load(std::memory_order_acquire);
        if (state == State::stopping) return;
        if (state != State::asked) {
            state_.wait(state, std::memory_order_acquire);
            continue;
        }
        outcome_ = disk_.fill_file(path_, bytes_);
        // Half a segment is of no use and takes the room that made it fail.
        if (!outcome_) static_cast<void>(disk_.remove_file(path_));
        state_.store(State::done, std::memory_order_release);
        state_.notify_all();
        queue_.wake();
    }
}

}  // namespace casc::storage::detail
