#pragma once
// tools/admin/dead_letter.hpp: a dead letter's story, as the broker has put it into the event's
// headers (docs/protocol.md, "Dead letters").
// Thread: any (values).

#include "session.hpp"

#include <casc/client/event_batch.hpp>
#include <casc/wire/batch_builder.hpp>

#include <functional>
#include <string>
#include <vector>

namespace casc::admin {

// Views into the event.
struct DeadLetter {
    std::string_view group;
    std::string_view topic;  // where it came from
    std::string_view lane;
    std::uint32_t partition = 0;
    std::uint64_t offset = 0;
    std::uint64_t attempts = 0;
    std::string_view error;                      // what the last member said
    std::string_view truncated;                  // what it has lost on the way; mostly empty
    std::vector<wire::HeaderInput> own_headers;  // of the event as it was
};

// Fails with: invalid_request (nobody's dead letter: it was produced to that topic by hand).
[[nodiscard]] Result<DeadLetter> dead_letter_of(const client::ConsumedEvent& event);

// The topic that a name means: that of the queue group of that name, or else the topic itself.
[[nodiscard]] Result<std::string> dead_letter_topic(Session& session, const std::string& name);

// Reads the topic's first partition from its start to where it ends now, in order of arrival, up to
// `count` events. `visit` may be given events of several lanes in one call; the views are valid
// inside it. Fails as polling does, and with what `visit` says.
[[nodiscard]] Result<void> read_dead_letters(
    Session& session, const std::string& topic, std::uint64_t count,
    const std::function<Result<void>(const client::EventBatch&)>& visit);

}  // namespace casc::admin
