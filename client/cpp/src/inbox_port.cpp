#include "inbox_port.hpp"

namespace casc::client {

InboxPort::InboxPort(std::shared_ptr<Core> core, std::uint32_t subscription,
                     ring::RingProducer<InboxItem> inbox)
    : core_(std::move(core)), subscription_(subscription), inbox_(std::move(inbox)) {}

// ---- out ----------------------------------------------------------------------------------------

void InboxPort::send(std::uint32_t connection, wire::Api api, std::vector<std::byte> body,
                     std::function<void(InboxPort&, Result<Reply>)> done) {
    core_->post([self = shared_from_this(), connection, api, body = std::move(body),
                 done = std::move(done)] {
        if (self->connection_ != connection || self->core_->link() == nullptr) return;
        self->core_->send_now(api, body, [self, connection, done](Result<Reply> reply) {
            if (self->connection_ != connection) return;
            if (!reply && (reply.error().code == ErrorCode::connection_closed ||
                           reply.error().code == ErrorCode::cancelled))
                return;  // told by disconnected() and shut_down()
            if (done) return done(*self, std::move(reply));
            if (!reply)
                self->tell(
                    {.kind = Notice::Kind::failed, .connection = connection, .why = reply.error()});
        });
    });
}

// ---- in -----------------------------------------------------------------------------------------

void InboxPort::connected() {
    ++connection_;
    tell({.kind = Notice::Kind::connected, .connection = connection_});
}

void InboxPort::disconnected(const Error& why) {
    tell({.kind = Notice::Kind::disconnected, .connection = connection_, .why = why});
}

void InboxPort::shut_down() {
    tell({.kind = Notice::Kind::closed,
          .connection = connection_,
          .why = Error(ErrorCode::cancelled, "the client is closed")});
}

void InboxPort::tell(Notice notice) {
    InboxItem item;
    item.notice = std::make_unique<Notice>(std::move(notice));
    put(std::move(item));
}

void InboxPort::put(InboxItem item) {
    if (overflow_.empty() && inbox_.try_push(std::move(item))) return announce();
    overflow_.push_back(std::move(item));
    behind_.store(true, std::memory_order_relaxed);
}

void InboxPort::wake_if_behind() {
    if (behind_.load(std::memory_order_relaxed)) core_->post([] {});
}

bool InboxPort::drain() {
    // The consumer is slow; nothing is pushed meanwhile, so this stays short. Whatever it takes
    // wakes this loop.
    bool any = false;
    while (!overflow_.empty() && inbox_.try_push(std::move(overflow_.front()))) {
        overflow_.pop_front();
        any = true;
    }
    if (any) announce();
    if (any && overflow_.empty()) behind_.store(false, std::memory_order_relaxed);
    return any;
}

// ---- readiness ----------------------------------------------------------------------------------

void InboxPort::wait(ring::Waker& waker, ring::RingConsumer<InboxItem>& inbox,
                     std::chrono::nanoseconds limit) {
    if (limit.count() <= 0) return;
    waiting_.store(true, std::memory_order_seq_cst);
    core_->look_after_waiters();
    waker.wait([&] { return inbox.ready(); }, limit);
    waiting_.store(false, std::memory_order_relaxed);
}

void InboxPort::when_ready(std::function<void()> done) {
    {
        const std::lock_guard lock(mutex_);
        on_ready_ = std::move(done);
        wanted_.store(true, std::memory_order_seq_cst);  // pairs with announce(): one of the two
                                                         // sees the other
    }
    core_->look_after_waiters();
}

bool InboxPort::forget_ready() {
    const std::lock_guard lock(mutex_);
    wanted_.store(false, std::memory_order_seq_cst);
    return std::exchange(on_ready_, nullptr) != nullptr;
}

void InboxPort::announce() {
    if (!wanted_.load(std::memory_order_seq_cst)) return;
    std::function<void()> done;
    {
        const std::lock_guard lock(mutex_);
        wanted_.store(false, std::memory_order_seq_cst);
        done.swap(on_ready_);
    }
    if (done) done();
}

}  // namespace casc::client
