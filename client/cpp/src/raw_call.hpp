#pragma once
// client/src/raw_call.hpp: a request with batches on either side and the wait for its answer.

#include "blocking_call.hpp"

#include <casc/wire/compression.hpp>

namespace casc::client {

// What came back, with memory of its own.
template <class Message>
struct Answered {
    Message message;
    std::vector<std::byte> batches;
};

// As blocking_call().
template <class Request>
[[nodiscard]] Result<Answered<typename wire::Rpc<Request>::ReplyMessage>> raw_call(
    Core& core, const Request& request, std::span<const std::byte> attachment = {}) {
    using Rpc = wire::Rpc<Request>;
    using Outcome = Result<Answered<typename Rpc::ReplyMessage>>;
    if (core.has_turn())
        return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
    const auto promise = std::make_shared<std::promise<Outcome>>();
    auto answer = promise->get_future();
    core.request(
        Rpc::api, encoded(request), {},
        [promise](Result<Reply> reply) {
            if (!reply) return promise->set_value(std::move(reply).error());
            auto message = wire::decode<typename Rpc::Reply>(reply->body);
            if (!message) return promise->set_value(std::move(message).error());
            promise->set_value(Answered<typename Rpc::ReplyMessage>{
                std::move(*message), {reply->attachments.begin(), reply->attachments.end()}});
        },
        {attachment.begin(), attachment.end()});
    return answer.get();
}

// Opens the batches that lie one behind the other and calls visit(batch, payloads) for each. Fails
// with: batch_malformed, batch_corrupt.
template <class Visit>
[[nodiscard]] Result<void> open_batches(std::span<const std::byte> batches, Visit&& visit) {
    wire::Decompressor decompressor;
    while (!batches.empty()) {
        CASC_TRY(const std::size_t bytes, wire::BatchView::peek_bytes(batches));
        CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(batches.first(bytes)));
        if (!batch.verify_body()) return ErrorCode::batch_corrupt;
        CASC_TRY(const auto payloads, decompressor.open(batch));
        visit(batch, payloads);
        batches = batches.subspan(bytes);
    }
    return {};
}

}  // namespace casc::client
