#pragma once
// Answers that have to wait until a journal entry is durable. Entries become durable in order, so this is a queue.

#include <casc/types/assert.hpp>
#include <casc/types/error.hpp>
#include <casc/types/vocabulary.hpp>

#include <deque>
#include <functional>

namespace casc::broker {

// Thread: owning shard.
class DurableWaits {
public:
    // Called with nullptr once `sequence` is durable, or with the reason why it never will be.
    using Callback = std::function<void(const Error* failure)>;

    // `sequence` may not be lower than that of the last waiter, except when it is durable already.
    void after(JournalSequence sequence, Callback callback) {
        if (sequence <= durable_) return callback(nullptr);
        if (!waits_.empty() && sequence < waits_.back().sequence) {
            // A duplicate waits for its original, which is older than what came in since.
            auto at = waits_.end();
            while (at != waits_.begin() && std::prev(at)->sequence > sequence) --at;
            waits_.insert(at, {sequence, std::move(callback)});
            return;
        }
        waits_.push_back({sequence, std::move(callback)});
    }

    void release(JournalSequence durable) {
        durable_ = durable;
        while (!waits_.empty() && waits_.front().sequence <= durable) {
            const Callback callback = std::move(waits_.front().callback);
            waits_.pop_front();
            callback(nullptr);
        }
    }

    void fail(const Error& failure) {
        while (!waits_.empty()) {
            const Callback callback = std::move(waits_.front().callback);
            waits_.pop_front();
            callback(&failure);
        }
    }

    [[nodiscard]] std::size_t size() const noexcept { return waits_.size(); }

private:
    struct Wait {
        JournalSequence sequence;
        Callback callback;
    };
    std::deque<Wait> waits_;
    JournalSequence durable_;
};

}  // namespace casc::broker
