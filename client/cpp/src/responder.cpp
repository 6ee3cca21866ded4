#include "responder_impl.hpp"

#include <casc/client/client.hpp>

namespace casc::client {

Result<Responder> Client::serve(ServeOptions options) {
    if (options.subject.empty())
        return Error(ErrorCode::invalid_config, "a responder needs a subject");
    if (options.open_max == 0) return Error(ErrorCode::invalid_config, "open_max must not be 0");
    if (core_->is_closed()) return Error(ErrorCode::cancelled, "the client is closed");
    auto impl =
        std::make_unique<ResponderImpl>(core_, core_->next_subscription(), std::move(options));
    CASC_TRY_VOID(impl->open());
    return Responder(std::move(impl));
}

Responder::Responder(std::unique_ptr<ResponderImpl> impl) : impl_(std::move(impl)) {}
Responder::~Responder() = default;
Responder::Responder(Responder&&) noexcept = default;
Responder& Responder::operator=(Responder&&) noexcept = default;

Result<std::span<const ReceivedRequest>> Responder::poll(std::size_t max_requests,
                                                         milliseconds timeout) {
    return impl_->poll(max_requests, timeout);
}
Result<void> Responder::answer(CallId call, const Event& event) {
    return impl_->answer(call, event);
}
Result<void> Responder::fail(CallId call, const Error& why) {
    return impl_->fail(call, why);
}
Result<void> Responder::try_part(CallId call, const Event& event) {
    return impl_->try_part(call, event);
}
Result<void> Responder::part(CallId call, const Event& event) {
    return impl_->part(call, event);
}
bool Responder::is_open(CallId call) const {
    return impl_->is_open(call);
}
std::size_t Responder::open_count() const {
    return impl_->open_count();
}
void Responder::flush() {
    impl_->flush();
}
void Responder::when_ready(std::function<void()> done) {
    impl_->when_ready(std::move(done));
}
Result<void> Responder::stop() {
    return impl_->stop();
}

Result<void> Responder::close() {
    return impl_->close();
}

}  // namespace casc::client
