#include "responder_port.hpp"

#include <casc/wire/messages.hpp>

namespace casc::client {

ResponderPort::ResponderPort(std::shared_ptr<Core> core, std::uint32_t serve_id,
                             std::uint32_t open_max, ring::RingProducer<InboxItem> inbox)
    : InboxPort(std::move(core), serve_id, std::move(inbox)), open_max_(open_max) {}

// ---- out ----------------------------------------------------------------------------------------

std::size_t ResponderPort::hold(std::uint32_t connection, std::span<const std::byte> frame,
                                std::span<const std::byte> batch, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    if (held_for_ != connection) held_.clear();  // nobody waits for them any more
    held_for_ = connection;
    if (held_.empty()) held_since_.store(now, std::memory_order_relaxed);
    held_.insert(held_.end(), frame.begin(), frame.end());
    held_.insert(held_.end(), batch.begin(), batch.end());
    return held_.size();
}

// In the turn, with mutex_ held.
void ResponderPort::write(Link& link) {
    if (held_for_ == connection() && !held_.empty())
        std::memcpy(link.room(held_.size()).data(), held_.data(), held_.size());
    held_.clear();
    held_since_.store(SteadyTime::max(), std::memory_order_relaxed);
    urgent_.store(false, std::memory_order_relaxed);
}

void ResponderPort::send_held() {
    {
        const std::lock_guard lock(mutex_);
        if (held_.empty()) return;
        if (core_->has_turn()) {
            if (core_->link() != nullptr) write(*core_->link());
            return;
        }
        if (core_->write_now([this](Link& link) { write(link); })) return;
        urgent_.store(true, std::memory_order_seq_cst);
    }
    core_->waker()->signal();
}

bool ResponderPort::drain() {
    const bool any = InboxPort::drain();
    constexpr milliseconds patience{1};
    if (!urgent_.load(std::memory_order_relaxed)) {
        const SteadyTime since = held_since_.load(std::memory_order_relaxed);
        if (since == SteadyTime::max() || std::chrono::steady_clock::now() < since + patience)
            return any;
    }
    const std::lock_guard lock(mutex_);
    if (core_->link() == nullptr) {
        urgent_.store(false, std::memory_order_relaxed);
        return any;
    }
    write(*core_->link());
    return true;
}

// ---- in -----------------------------------------------------------------------------------------

bool ResponderPort::pushed(const wire::Frame& frame, const BufferRef& buffer) {
    switch (frame.header.api) {
        case wire::Api::call: {
            const auto call = wire::view<wire::fb::Call>(frame.body);
            if (!call) {
                core_->give_up_link(call.error());
                return true;
            }
            if ((*call)->serve_id() != subscription_) return false;
            InboxItem item;
            item.buffer = buffer;
            item.batches = frame.attachments;
            item.call = *call;
            return called(std::move(item));
        }
        case wire::Api::call_cancelled: {
            const auto cancelled = wire::view<wire::fb::CallCancelled>(frame.body);
            if (!cancelled || (*cancelled)->serve_id() != subscription_) return false;
            tell({.kind = Notice::Kind::call_cancelled,
                  .connection = connection(),
                  .why = static_cast<ErrorCode>((*cancelled)->why()),
                  .call = (*cancelled)->call()});
            return true;
        }
        case wire::Api::call_credit: {
            const auto credit = wire::view<wire::fb::CallCredit>(frame.body);
            if (!credit || (*credit)->serve_id() != subscription_) return false;
            tell({.kind = Notice::Kind::call_credit,
                  .connection = connection(),
                  .call = (*credit)->call(),
                  .bytes = (*credit)->bytes()});
            return true;
        }
        default:
            return false;
    }
}

bool ResponderPort::called(InboxItem item) {
    ++pushed_;
    // Requests end at the broker (deadlines) before they are taken out here, so there may be more
    // than open_max; a broker that does not heed it at all would fill memory.
    constexpr std::uint64_t spare = 65'536;
    if (pushed_ - taken_.load(std::memory_order_relaxed) > open_max_ + spare) {
        core_->give_up_link(Error(ErrorCode::malformed_message,
                                  "the broker sends more requests than this responder takes"));
        return true;
    }
    put(std::move(item));
    return true;
}

}  // namespace casc::client
