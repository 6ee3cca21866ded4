#pragma once
// Answers that have to wait until a journal entry is durable. Entries become durable in order, so
// this is a queue; once it has grown to the depth of the load, waiting allocates nothing.

#include "inline_callback.hpp"

#include <casc/types/error.hpp>
#include <casc/types/vocabulary.hpp>

#include <boost/circular_buffer.hpp>

#include <algorithm>
#include <optional>

namespace casc::broker {

// Thread: owning shard. Callbacks may wait again.
class DurableWaits {
public:
    // Called with nullptr once its sequence is durable, or with the reason why it never will be.
    using Callback = InlineCallback<64, const Error*>;

    // In any order of sequences; cheap when they rise.
    void after(JournalSequence sequence, Callback callback) {
        if (sequence <= durable_) return callback(nullptr);
        if (failure_) return callback(&*failure_);
        if (waits_.full()) waits_.set_capacity(std::max<std::size_t>(64, 2 * waits_.capacity()));
        // A duplicate waits for its original, which is older than what came in since.
        auto at = waits_.end();
        while (at != waits_.begin() && std::prev(at)->sequence > sequence)
            --at;
        if (at == waits_.end()) {
            waits_.push_back({sequence, std::move(callback)});
        } else {
            waits_.insert(at, {sequence, std::move(callback)});
        }
    }

    void release(JournalSequence durable) {
        durable_ = durable;
        while (!waits_.empty() && waits_.front().sequence <= durable)
            call_first(nullptr);
    }

    // For what waits now and whatever will.
    void fail(const Error& failure) {
        failure_ = failure;
        while (!waits_.empty())
            call_first(&*failure_);
    }

    [[nodiscard]] std::size_t size() const noexcept { return waits_.size(); }

private:
    struct Wait {
        JournalSequence sequence;
        Callback callback;
    };

    void call_first(const Error* failure) {
        Callback callback = std::move(waits_.front().callback);
        waits_.pop_front();
        callback(failure);
    }

    boost::circular_buffer<Wait> waits_;
    JournalSequence durable_;
    std::optional<Error> failure_;
};

}  // namespace casc::broker
