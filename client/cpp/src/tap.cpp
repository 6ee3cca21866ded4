#include "tap_impl.hpp"

#include <casc/client/client.hpp>

#include <limits>

namespace casc::client {

Result<Tap> Client::make_tap(TapOptions options) {
    const auto bad = [](const char* why) { return Error(ErrorCode::invalid_config, why); };
    if (options.topics.empty()) return bad("a tap needs topics");
    if (options.credit_bytes == 0) return bad("credit_bytes must not be 0");
    if (options.events_max == 0 || options.bytes_max == 0)
        return bad("events_max and bytes_max must not be 0");
    if (options.start == TapStart::last_events && options.last_events == 0)
        return bad("start = last_events needs last_events");
    if (core_->is_closed()) return Error(ErrorCode::cancelled, "the client is closed");
    auto impl = std::make_unique<TapImpl>(core_, core_->next_subscription(), std::move(options));
    CASC_TRY_VOID(impl->open());
    return Tap(std::move(impl));
}

Tap::Tap(std::unique_ptr<TapImpl> impl) : impl_(std::move(impl)) {}
Tap::~Tap() = default;
Tap::Tap(Tap&&) noexcept = default;
Tap& Tap::operator=(Tap&&) noexcept = default;

Result<EventBatch> Tap::poll(std::size_t max_events, milliseconds timeout) {
    return impl_->poll(max_events, timeout);
}
Result<EventBatch> Tap::poll_batches(milliseconds timeout) {
    return impl_->poll(std::numeric_limits<std::size_t>::max(), timeout);
}
std::uint64_t Tap::skipped() const noexcept {
    return impl_->skipped();
}
std::uint64_t Tap::restarts() const noexcept {
    return impl_->restarts();
}
void Tap::when_ready(std::function<void()> done) {
    impl_->when_ready(std::move(done));
}
Result<void> Tap::close() {
    return impl_->close();
}

}  // namespace casc::client
