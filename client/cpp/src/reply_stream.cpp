#include "answers.hpp"
#include "request_port.hpp"

#include <casc/client/client.hpp>

#include <deque>

namespace casc::client {

// Thread: next(), cancel() and ended() the reader's; the callbacks the I/O thread.
class ReplyStreamImpl : public std::enable_shared_from_this<ReplyStreamImpl> {
public:
    ReplyStreamImpl(std::shared_ptr<Core> core, std::size_t credit_bytes)
        : core_(std::move(core)), credit_bytes_(credit_bytes) {}

    void start(const RequestHead& head, const Event& event) {
        request_ = core_->requests().start(
            head, event,
            [self = shared_from_this()](Result<Reply> reply) {
                self->put({answer_of(std::move(reply)), 0, /*is_last=*/true});
            },
            [self = shared_from_this()](const wire::fb::ReplyPart& part,
                                        std::span<const std::byte> batch) {
                self->put({Answer::open(batch, part.responder()), batch.size(), false});
            });
    }

    Result<std::optional<Answer>> next(milliseconds wait) {
        if (ended_) return std::optional<Answer>();
        if (core_->has_turn())
            return Error(ErrorCode::invalid_request,
                         "a waiting call from the client's own callback");
        const auto until = std::chrono::steady_clock::now() + wait;
        if (!has_one() && !core_->drive([this] { return has_one(); }, until)) {
            std::unique_lock lock(mutex_);
            came_.wait_until(lock, until, [this] { return !items_.empty(); });
        }
        std::unique_lock lock(mutex_);
        if (items_.empty()) return Error(ErrorCode::timeout, "no part of the answer has come");
        Item item = std::move(items_.front());
        items_.pop_front();
        lock.unlock();
        ended_ = item.is_last;
        if (!item.answer) {
            if (!ended_) cancel();  // what cannot be read cannot be trusted to go on
            ended_ = true;
            return std::move(item.answer).error();
        }
        give_credit(item);
        return std::optional<Answer>(std::move(item.answer).value());
    }

    void cancel() {
        if (!std::exchange(ended_, true)) core_->requests().cancel(request_);
    }
    [[nodiscard]] bool ended() const noexcept { return ended_; }

private:
    struct Item {
        Result<Answer> answer;
        std::size_t bytes;
        bool is_last;
    };

    [[nodiscard]] bool has_one() {
        const std::lock_guard lock(mutex_);
        return !items_.empty();
    }
    void put(Item item) {
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(item));  // bounded by the credit
        came_.notify_one();
    }
    // In halves, so that a part does not cost a frame of credit.
    void give_credit(const Item& item) {
        taken_bytes_ += item.bytes;
        if (item.is_last || taken_bytes_ < credit_bytes_ / 2) return;
        core_->requests().grant(request_, item.answer->responder(), std::exchange(taken_bytes_, 0));
    }

    const std::shared_ptr<Core> core_;
    const std::size_t credit_bytes_;
    RequestId request_;
    bool ended_ = false;
    std::size_t taken_bytes_ = 0;
    std::mutex mutex_;
    std::condition_variable came_;
    std::deque<Item> items_;
};

Result<ReplyStream> Client::request_stream(std::string_view subject, const Event& event,
                                           const StreamOptions& options) {
    if (options.credit_bytes == 0)
        return Error(ErrorCode::invalid_config, "credit_bytes must not be 0");
    if (core_->is_closed()) return Error(ErrorCode::cancelled, "the client is closed");
    auto impl = std::make_shared<ReplyStreamImpl>(core_, options.credit_bytes);
    RequestHead head = request_head(*core_, subject, options.timeout);
    head.credit_bytes = options.credit_bytes;
    impl->start(head, event);
    return ReplyStream(std::move(impl));
}

ReplyStream::ReplyStream(std::shared_ptr<ReplyStreamImpl> impl) : impl_(std::move(impl)) {}
ReplyStream::~ReplyStream() {
    if (impl_) impl_->cancel();
}
ReplyStream::ReplyStream(ReplyStream&&) noexcept = default;
ReplyStream& ReplyStream::operator=(ReplyStream&& other) noexcept {
    if (impl_ && impl_ != other.impl_) impl_->cancel();
    impl_ = std::move(other.impl_);
    return *this;
}
Result<std::optional<Answer>> ReplyStream::next(milliseconds wait) {
    return impl_->next(wait);
}
bool ReplyStream::ended() const noexcept {
    return impl_->ended();
}
void ReplyStream::cancel() {
    impl_->cancel();
}

}  // namespace casc::client
