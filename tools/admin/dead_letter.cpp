#include "dead_letter.hpp"

#include "interrupt.hpp"
#include "queue_text.hpp"
#include "read_end.hpp"

#include <array>
#include <charconv>

namespace casc::admin {

namespace {

constexpr milliseconds kLetterWait{100};
constexpr std::size_t kLettersAtATime = 500;

template <class Number>
void read_number(std::string_view text, Number& into) {
    std::from_chars(text.data(), text.data() + text.size(), into);
}

}  // namespace

Result<DeadLetter> dead_letter_of(const client::ConsumedEvent& event) {
    // The broker's come first, each once; what follows is the event's own, and may look the same.
    constexpr std::array<std::string_view, 7> names{
        "casc-dead-group",  "casc-dead-topic",    "casc-dead-partition", "casc-dead-lane",
        "casc-dead-offset", "casc-dead-attempts", "casc-dead-error"};
    std::array<std::string_view, names.size()> values;
    std::size_t known = 0;
    DeadLetter letter;
    wire::HeaderCursor cursor(event.event.headers);
    for (wire::HeaderInput header{}; cursor.next(header.name, header.value);) {
        if (known < names.size() && header.name == names[known])
            values[known++] = header.value;
        else
            letter.own_headers.push_back(header);
    }
    if (known != names.size())
        return Error(ErrorCode::invalid_request,
                     "the event at offset " + std::to_string(event.event.offset.value()) + " of '" +
                         std::string(event.topic) + "' is not a dead letter");
    letter.group = values[0];
    letter.topic = values[1];
    read_number(values[2], letter.partition);
    letter.lane = values[3];
    read_number(values[4], letter.offset);
    read_number(values[5], letter.attempts);
    letter.error = values[6];
    // Then it has no headers of its own any more.
    if (letter.own_headers.size() == 1 && letter.own_headers[0].name == "casc-dead-truncated") {
        letter.truncated = letter.own_headers[0].value;
        letter.own_headers.clear();
    }
    return letter;
}

Result<std::string> dead_letter_topic(Session& session, const std::string& name) {
    const auto group = describe_queue(session, name);
    if (group && group->settings) return group->settings->dead_letter_topic;
    if (!group && group.error().code != ErrorCode::unknown_group &&
        group.error().code != ErrorCode::wrong_group_kind)
        return group.error();
    CASC_TRY_VOID(topic_facts(session, name));
    return name;
}

Result<void> read_dead_letters(
    Session& session, const std::string& topic, std::uint64_t count,
    const std::function<Result<void>(const client::EventBatch&)>& visit) {
    CASC_TRY(auto logs, log_ends(session, topic, {PartitionId(0)}));
    std::vector<client::Place> places;
    for (const LogEnd& log : logs)
        places.push_back({topic, log.partition, log.lane, log.start});
    ReadEnd end;
    end.expect(std::move(logs));
    CASC_TRY(client::Client* const client, session.client());
    CASC_TRY(auto consumer, client->make_consumer());
    CASC_TRY_VOID(consumer.assign(places));
    while (count != 0 && !end.reached(consumer) && !interrupted()) {
        CASC_TRY(
            const auto events,
            consumer.poll(static_cast<std::size_t>(std::min<std::uint64_t>(count, kLettersAtATime)),
                          kLetterWait));
        count -= events.size();
        if (events.empty()) {
            CASC_TRY_VOID(end.pass_gaps(session, consumer));
        } else {
            CASC_TRY_VOID(visit(events));
        }
    }
    return consumer.close();
}

}  // namespace casc::admin
