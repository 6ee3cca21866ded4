#pragma once
// casc/client/reply.hpp: an answer as it lies in the receive buffer.

#include <casc/types/result.hpp>

#include <cstddef>
#include <functional>
#include <span>

namespace casc::client {

// Lifetime: the spans are valid until the callback that got them returns.
struct Reply {
    std::span<const std::byte> body;         // a flatbuffer, see casc/wire/messages.hpp
    std::span<const std::byte> attachments;  // batches, for the few answers that have some
};

// Runs where callbacks run (see Client) and must not block.
using ReplyCallback = std::function<void(Result<Reply>)>;

}  // namespace casc::client
