// Reads again what came to a topic in the last seconds, in the order in which it came, up to what
// is there now:
//   casc-example-replay 127.0.0.1:7440 orders 3600
// No group: nobody else notices, and nothing is remembered. With a longer last poll it would follow
// what comes, as `casc-admin consume --follow` does.
#include <casc/client/call.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>
#include <charconv>
#include <iostream>

using namespace casc;
using namespace casc::client;
using namespace std::chrono_literals;

namespace {

int fail(const Error& why) {
    std::cerr << why.message() << '\n';
    return 1;
}

EpochNanos seconds_ago(std::int64_t seconds) {
    return wall_now() - EpochNanos::distance(seconds * 1'000'000'000);
}

}  // namespace

int main(int argc, char** argv) {
    std::int64_t seconds = 0;
    const std::string_view given = argc == 4 ? argv[3] : "";
    if (std::from_chars(given.data(), given.data() + given.size(), seconds).ec != std::errc{}) {
        std::cerr << "usage: casc-example-replay ENDPOINT TOPIC SECONDS\n";
        return 2;
    }
    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());

    // A partition has a log for each lane that ever had an event.
    wire::fb::DescribeTopicT request;
    request.name = argv[2];
    const auto topic = (*client)->call(request);
    if (!topic) return fail(topic.error());
    std::vector<Place> ends;
    for (const auto& log : topic->logs)
        ends.push_back({argv[2], PartitionId(log->partition), static_cast<Lane>(log->lane),
                        Offset(log->visible_end)});

    auto consumer = (*client)->make_consumer();  // in order of arrival, unless it is told otherwise
    if (!consumer) return fail(consumer.error());
    if (auto assigned = consumer->assign(ends); !assigned) return fail(assigned.error());
    for (const Place& end : ends)
        if (auto moved = consumer->seek_to_time(argv[2], end.partition, seconds_ago(seconds));
            !moved)
            return fail(moved.error());

    const auto is_read = [&](const Place& end) {
        const auto position = consumer->position(end.topic, end.partition, end.lane);
        return position && *position >= end.offset;
    };
    while (!std::all_of(ends.begin(), ends.end(), is_read)) {
        const auto events = consumer->poll(100, 100ms);
        if (!events) return fail(events.error());
        for (const ConsumedEvent& e : *events)
            std::cout << e.partition.value() << '/' << to_string(e.event.lane) << '/'
                      << e.event.offset.value() << ' '
                      << std::string_view(reinterpret_cast<const char*>(e.event.payload.data()),
                                          e.event.payload.size())
                      << '\n';
    }
    return 0;
}
