#pragma once
// What a log holds, read in one go.

#include "broker_verbs.hpp"

namespace casc::test {

// The events of a log from its beginning, or behind the first `from`; waits until there are
// `at_least`, and gives what one fetch finds when that is 0.
inline std::vector<std::string> read_log(RawConnection& raw, std::uint32_t topic,
                                         Lane lane = Lane::normal, std::uint32_t partition = 0,
                                         std::size_t at_least = 0, std::uint64_t from = 0) {
    std::vector<std::string> events;
    do {
        fb::FetchT fetch;
        auto source = std::make_unique<fb::FetchSourceT>();
        source->topic_id = topic;
        source->partition = partition;
        source->lane = static_cast<std::uint8_t>(lane);
        source->offset = from + events.size();
        fetch.sources.push_back(std::move(source));
        fetch.bytes_min = 1;
        fetch.bytes_max = 16u << 20;
        fetch.max_wait_ms = events.size() < at_least ? 30'000 : 0;
        REQUIRE(raw.send(request_bytes(fetch, 7777)));
        const auto frame = raw.receive();
        REQUIRE(frame);
        REQUIRE_MESSAGE(frame->error == ErrorCode::ok, frame->message);
        const auto more = events_in(frame->attachments);
        REQUIRE((!more.empty() || events.size() >= at_least));
        events.insert(events.end(), more.begin(), more.end());
    } while (events.size() < at_least);
    return events;
}

}  // namespace casc::test
