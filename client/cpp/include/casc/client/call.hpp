#pragma once
// casc/client/call.hpp: any request of the protocol, as a struct, and its answer as one.
//
//   CASC_TRY(auto reply, client->call(wire::fb::ListTopicsT{}));

#include <casc/client/client.hpp>
#include <casc/wire/rpc.hpp>

#include <future>
#include <memory>

namespace casc::client {

template <class Request, class Done>
void Client::call_async(const Request& request, std::optional<milliseconds> deadline, Done done) {
    using Rpc = wire::Rpc<Request>;
    wire::Encoder encoder;
    // Shared, because std::function wants copies and `done` may be move-only.
    auto shared = std::make_shared<Done>(std::move(done));
    call_raw(Rpc::api, encoder.encode(request), deadline, [shared](Result<Reply> reply) {
        if (!reply) return (*shared)(Result<typename Rpc::ReplyMessage>(std::move(reply).error()));
        (*shared)(wire::decode<typename Rpc::Reply>(reply->body));
    });
}

template <class Request>
Result<typename wire::Rpc<Request>::ReplyMessage> Client::call(
    const Request& request, std::optional<milliseconds> deadline) {
    using Outcome = Result<typename wire::Rpc<Request>::ReplyMessage>;
    if (in_callback())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    std::promise<Outcome> promise;
    auto answer = promise.get_future();
    call_async(request, deadline, [promise = std::move(promise)](Outcome reply) mutable {
        promise.set_value(std::move(reply));
    });
    return answer.get();
}

}  // namespace casc::client
