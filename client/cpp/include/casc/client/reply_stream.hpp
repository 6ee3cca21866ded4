#pragma once
// casc/client/reply_stream.hpp: an answer that comes in parts.
//
//   CASC_TRY(auto stream, client->request_stream("tokens", {.payload = prompt}));
//   for (;;) {
//       CASC_TRY(const auto part, stream.next(1s));
//       if (!part) break;                        // that was all
//       print(part->text());
//   }

#include <casc/client/answer.hpp>

#include <memory>
#include <optional>

namespace casc::client {

class ReplyStreamImpl;

// The responder sends ahead of next(), as far as StreamOptions::credit_bytes goes.
//
// Thread:   one at a time; not from a callback of the client.
// Lifetime: a stream that is destroyed before its end is cancelled, and its responder told.
class ReplyStream {
public:
    explicit ReplyStream(std::shared_ptr<ReplyStreamImpl> impl);  // see Client::request_stream
    ~ReplyStream();
    ReplyStream(ReplyStream&&) noexcept;
    ReplyStream& operator=(ReplyStream&&) noexcept;

    // The next part; the last one is the answer itself. Nothing once that was handed out. Waits for
    // it until `wait`, and fails with timeout then, as it does when the time of the whole request
    // is over (ended() tells which). Fails as Client::request() does: that is the end of the
    // stream.
    [[nodiscard]] Result<std::optional<Answer>> next(milliseconds wait);
    // Whether everything was handed out, the error that ended it included.
    [[nodiscard]] bool ended() const noexcept;
    // Nobody wants the rest.
    void cancel();

private:
    std::shared_ptr<ReplyStreamImpl> impl_;
};

}  // namespace casc::client
