#include "calls.hpp"

#include <casc/wire/error_of.hpp>
#include <casc/wire/messages.hpp>

namespace casc::client {

Error error_of(const wire::Frame& frame) {
    const auto reply = wire::view<wire::fb::ErrorReply>(frame.body);
    if (!reply) return reply.error();
    return wire::error_of(**reply);
}

std::uint32_t Calls::add(ReplyCallback done, std::optional<SteadyTime> deadline) {
    // After two billion requests the numbers start again; one that still waits keeps its number.
    constexpr std::uint32_t end = 1u << 31;  // the others are not ours, see Core::kOwnNumbers
    while (next_id_ < 2 || next_id_ >= end || waiting_.contains(next_id_))
        next_id_ = next_id_ >= end ? 2 : next_id_ + 1;
    const std::uint32_t id = next_id_++;
    const auto at = deadline ? deadlines_.emplace(*deadline, id) : deadlines_.end();
    waiting_.emplace(id, Waiting{std::move(done), at});
    return id;
}

bool Calls::answer(const wire::Frame& frame) {
    const auto found = waiting_.find(frame.header.correlation_id);
    if (found == waiting_.end()) return false;
    const Waiting waiting = std::move(found->second);
    if (waiting.deadline != deadlines_.end()) deadlines_.erase(waiting.deadline);
    waiting_.erase(found);
    if (frame.header.kind == wire::FrameKind::error)
        waiting.done(error_of(frame));
    else
        waiting.done(Reply{frame.body, frame.attachments});
    return true;
}

void Calls::expire(SteadyTime now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const auto found = waiting_.find(deadlines_.begin()->second);
        const ReplyCallback done = std::move(found->second.done);
        deadlines_.erase(deadlines_.begin());
        waiting_.erase(found);
        done(ErrorCode::timeout);
    }
}

void Calls::fail_all(const Error& why) {
    // Callbacks may add requests; those belong to the next connection.
    auto failed = std::move(waiting_);
    waiting_.clear();
    deadlines_.clear();
    for (auto& [id, waiting] : failed)
        waiting.done(why);
}

std::optional<SteadyTime> Calls::next_deadline() const {
    if (deadlines_.empty()) return std::nullopt;
    return deadlines_.begin()->first;
}

}  // namespace casc::client
