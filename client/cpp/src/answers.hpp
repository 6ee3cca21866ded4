#pragma once
// client/src/answers.hpp: from what a RequestPort says to what a program is told.

#include "request_port.hpp"

namespace casc::client {

[[nodiscard]] inline Result<Answer> answer_of(Result<Reply> reply) {
    if (!reply) return std::move(reply).error();
    CASC_TRY(const wire::fb::RequestReply* body, wire::view<wire::fb::RequestReply>(reply->body));
    return Answer::open(reply->attachments, body->responder());
}

[[nodiscard]] inline RequestHead request_head(const Core& core, std::string_view subject,
                                              std::optional<milliseconds> timeout) {
    const auto time = timeout.value_or(core.options().request_timeout);
    return {subject, std::chrono::steady_clock::now() + time};
}

}  // namespace casc::client
