#include "dead_letters.hpp"

#include <cstring>

namespace casc::broker {

Result<const Topic*> DeadLetters::find_or_create(const std::string& topic) {
    if (const Topic* found = core_.topics.find(topic)) return found;
    TopicSettings settings;
    settings.event_bytes_max = core_.config.limits.event_bytes;
    CASC_TRY(const TopicRegistry::Created created,
             core_.topics.create(topic, settings, core_.now(), core_.config.topics.topics_max));
    core_.topic_observers.created(*created.topic);
    return created.topic;
}

Result<void> DeadLetters::append(const std::string& topic_name, const DeadLetter& letter,
                                 const wire::EventView& event, std::size_t rows_bytes) {
    CASC_TRY(const Topic* topic, find_or_create(topic_name));
    if (topic->is_compacted())
        return Error(ErrorCode::not_supported, "dead letters: the topic " + topic_name +
                                                   " is compacted, and would lose them");
    const Topic* origin = core_.topics.find(letter.origin.topic());
    const std::string partition = std::to_string(letter.origin.partition().value());
    const std::string offset = std::to_string(event.offset.value());
    const std::string attempts = std::to_string(letter.attempts);
    constexpr std::size_t own_headers = 7;
    std::vector<wire::HeaderInput> headers{
        {"casc-dead-group", letter.group},
        {"casc-dead-topic", origin != nullptr ? std::string_view(origin->name) : "?"},
        {"casc-dead-partition", partition},
        {"casc-dead-lane", to_string(letter.origin.lane())},
        {"casc-dead-offset", offset},
        {"casc-dead-attempts", attempts},
        {"casc-dead-error", letter.error},
    };
    wire::HeaderCursor cursor(event.headers);
    for (wire::HeaderInput header{}; cursor.next(header.name, header.value);)
        headers.push_back(header);

    wire::EventInput input{.payload = event.payload,
                           .key = event.key,
                           .headers = headers,
                           .timestamp = event.timestamp,
                           .type = event.type,
                           .correlation_id = event.correlation_id,
                           .source = event.source,
                           .destination = event.destination,
                           .schema_version = event.schema_version};
    if (event.message_id)
        std::memcpy(input.message_id.emplace().data(), event.message_id->data(), 16);
    // With our headers it may be larger than an event can be: then its own ones are left out, or
    // all of it but where it can be found.
    if (!wire::check_event(input)) {
        headers.resize(own_headers);
        headers.push_back({"casc-dead-truncated", "headers"});
        input.headers = headers;
    }
    if (!wire::check_event(input)) {
        headers.back().value = "headers, payload";
        input.payload = {};
    }
    CASC_TRY_VOID(wire::check_event(input));
    builder_.reset(letter.origin.lane());
    builder_.add(input, core_.now());
    const auto batch = builder_.finish({}, batch_);

    const LogId log(topic->id, PartitionId(0), letter.origin.lane());
    const Core::Place place{topic, log};
    CASC_TRY_VOID(appender_.prepare(place));
    if (!topic->is_volatile())
        CASC_TRY_VOID(
            core_.store.keep_together(LogAppender::entry_bytes(batch.size()), rows_bytes));
    CASC_TRY_VOID(appender_.append(place, batch));
    return {};
}

}  // namespace casc::broker
