#pragma once
// client/src/blocking_call.hpp: a request and the wait for its answer, for the consumer's own
// thread.

#include "core.hpp"

#include <casc/wire/rpc.hpp>

#include <future>

namespace casc::client {

// As Client::call(). Not from the I/O thread, which would wait for itself: fails with
// invalid_request there.
template <class Request>
[[nodiscard]] Result<typename wire::Rpc<Request>::ReplyMessage> blocking_call(
    Core& core, const Request& request, std::optional<milliseconds> deadline = {}) {
    using Rpc = wire::Rpc<Request>;
    using Outcome = Result<typename Rpc::ReplyMessage>;
    if (core.has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto promise = std::make_shared<std::promise<Outcome>>();
    auto answer = promise->get_future();
    wire::Encoder encoder;
    const auto body = encoder.encode(request);
    core.request(Rpc::api, {body.begin(), body.end()}, deadline, [promise](Result<Reply> reply) {
        if (!reply) return promise->set_value(std::move(reply).error());
        promise->set_value(wire::decode<typename Rpc::Reply>(reply->body));
    });
    return answer.get();
}

template <class Message>
[[nodiscard]] std::vector<std::byte> encoded(const Message& message) {
    wire::Encoder encoder;
    const auto body = encoder.encode(message);
    return {body.begin(), body.end()};
}

}  // namespace casc::client
