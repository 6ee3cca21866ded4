#pragma once
// client/src/inbox.hpp: what the I/O thread tells a consumer, in order.

#include "receive_buffer.hpp"

#include <casc/types/vocabulary.hpp>
#include <casc/wire/messages.hpp>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace casc::client {

// The rare kinds of news.
struct Notice {
    enum class Kind {
        connected,
        disconnected,
        assignment,
        joined,
        committed,
        settled,
        left,
        call_cancelled,
        call_credit,
        tapped,
        matched,
        failed,
        closed
    } kind;
    std::uint32_t connection = 0;  // which one, counted
    std::optional<Error> why{};
    std::unique_ptr<wire::fb::AssignmentT> assignment{};
    std::unique_ptr<wire::fb::JoinGroupReplyT> joined{};
    std::vector<std::pair<LogId, std::uint64_t>> committed{};
    std::unique_ptr<wire::fb::SettleReplyT> settled{};
    std::unique_ptr<wire::fb::TapReplyT> tapped{};
    std::unique_ptr<wire::fb::TopicsMatchedT> matched{};
    std::uint32_t membership = 0;  // which one of the connection's, counted
    std::uint64_t call = 0;
    std::uint64_t bytes = 0;  // of credit for parts
};

// Thread: made by the I/O thread, used by the consumer's.
struct InboxItem {
    // A delivery, when `notice` is null.
    BufferRef buffer;
    std::span<const std::byte> batches;
    LogId log;
    std::uint32_t generation = 0;
    ErrorCode error = ErrorCode::ok;
    std::uint64_t start = 0;
    std::uint64_t skipped = 0;  // of a tap
    // With a filter: the position behind it, which of the events are meant (in the same buffer;
    // null: all), and which bit is that of the first one of `batches`.
    std::uint64_t next = 0;
    const flatbuffers::Vector<std::uint64_t>* matches = nullptr;
    std::size_t first_bit = 0;
    bool progress = false;  // it has no batches, only `next`

    [[nodiscard]] bool means(std::uint32_t index) const {
        const std::size_t bit = first_bit + index;
        return matches == nullptr ||
               (bit / 64 < matches->size() &&
                (matches->Get(static_cast<flatbuffers::uoffset_t>(bit / 64)) >> bit % 64 & 1u) !=
                    0);
    }
    // Of the first batch, which has `count` events.
    [[nodiscard]] std::uint32_t meant(std::uint32_t count) const {
        if (matches == nullptr) return count;
        std::uint32_t sum = 0;
        for (std::uint32_t index = 0; index < count; ++index)
            sum += means(index) ? 1 : 0;
        return sum;
    }
    // Of a queue group: which of the events are the member's, in the same buffer; `start` is then
    // the first one that was not handed out.
    const wire::fb::Lease* lease = nullptr;
    // Of a responder: the request, in the same buffer.
    const wire::fb::Call* call = nullptr;
    std::unique_ptr<Notice> notice;
};

}  // namespace casc::client
