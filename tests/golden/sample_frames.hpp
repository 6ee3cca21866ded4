#pragma once
// Small tools of the sample files.

#include "samples.hpp"

#include <casc/wire/rpc.hpp>

#include <memory>
#include <utility>

namespace casc::golden {

template <class Message>
Bytes frame_of(wire::FrameKind kind, wire::Api api, const Message& message,
               const Bytes& attachments = {}) {
    wire::Encoder encoder;
    const auto body = encoder.encode(message);
    Bytes frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, kind, api, kind == wire::FrameKind::push ? 0u : 77u, body,
                      attachments.size());
    frame.insert(frame.end(), attachments.begin(), attachments.end());
    return frame;
}

template <class Request>
Sample request(const char* name, const Request& message, const Bytes& attachments = {}) {
    return {std::string(name) + ".request",
            frame_of(wire::FrameKind::request, wire::Rpc<Request>::api, message, attachments)};
}

template <class Request>
Sample response(const char* name, const typename wire::Rpc<Request>::ReplyMessage& message,
                const Bytes& attachments = {}) {
    return {std::string(name) + ".response",
            frame_of(wire::FrameKind::response, wire::Rpc<Request>::api, message, attachments)};
}

// Adds an element to a vector of tables and returns it for filling in.
template <class T>
T& append(std::vector<std::unique_ptr<T>>& to) {
    return *to.emplace_back(std::make_unique<T>());
}

// The batch that frames carry where they carry one; `stamped` as a consumer gets it.
[[nodiscard]] Bytes example_batch(bool stamped);

}  // namespace casc::golden
