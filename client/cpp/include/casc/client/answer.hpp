#pragma once
// casc/client/answer.hpp: what comes back from a request.

#include <casc/client/options.hpp>
#include <casc/types/result.hpp>
#include <casc/wire/batch.hpp>

#include <functional>
#include <optional>
#include <vector>

namespace casc::client {

// An event that came as an answer. Owns its bytes.
// Thread: one at a time (a value). The views stay valid when it is moved.
class Answer {
public:
    // Checks and opens a batch of one event. Fails with: batch_malformed, batch_corrupt.
    [[nodiscard]] static Result<Answer> open(std::span<const std::byte> batch,
                                             std::uint64_t responder);

    Answer(Answer&&) noexcept = default;
    Answer& operator=(Answer&&) noexcept = default;

    [[nodiscard]] const wire::EventView& event() const& noexcept { return event_; }
    [[nodiscard]] std::span<const std::byte> payload() const& noexcept { return event_.payload; }
    [[nodiscard]] std::string_view text() const& noexcept {
        return {reinterpret_cast<const char*>(event_.payload.data()), event_.payload.size()};
    }
    void event() && = delete;
    void payload() && = delete;
    void text() && = delete;
    // Who has said it: a number of the broker's, which no other responder has.
    [[nodiscard]] std::uint64_t responder() const noexcept { return responder_; }

private:
    Answer() = default;

    std::vector<std::byte> batch_;
    std::vector<std::byte> payloads_;  // of a compressed one
    wire::EventView event_;
    std::uint64_t responder_ = 0;
};

// Runs where callbacks run (see Client), exactly once; must not block.
using AnswerCallback = std::function<void(Result<Answer>)>;

// Names a request of a Client that is under way, to cancel it.
struct RequestId {
    std::uint64_t value = 0;
    friend bool operator==(RequestId, RequestId) = default;
};

// What one of several responders said.
struct GatheredAnswer {
    std::uint64_t responder = 0;
    Result<Answer> answer;
};

struct Gathered {
    std::vector<GatheredAnswer> results;  // in the order in which they came
    std::uint32_t responders = 0;         // that were asked
    std::uint32_t answers = 0;            // good ones
    std::uint32_t failures = 0;
    bool has_quorum = false;
};
using GatherCallback = std::function<void(Result<Gathered>)>;

struct GatherOptions {
    std::uint32_t quorum = 0;  // so many good answers are enough; 0: those of all
    std::optional<milliseconds> timeout{};
};

struct StreamOptions {
    std::optional<milliseconds> timeout{};  // for all of it
    // So much a responder may send ahead of the reader; the last part may go beyond it.
    std::size_t credit_bytes = 1_MiB;
};

}  // namespace casc::client
