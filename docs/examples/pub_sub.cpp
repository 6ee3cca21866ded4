// Publish and subscribe on a topic that nobody stores. One program for both ends:
//   casc-example-pub-sub 127.0.0.1:7440 ticks sub               everything from now on, and the
//   last of each key casc-example-pub-sub 127.0.0.1:7440 ticks sub anna          and of what is
//   sent to somebody only what is for anna casc-example-pub-sub 127.0.0.1:7440 ticks pub EUR=1.08
//   to everybody; the key is EUR casc-example-pub-sub 127.0.0.1:7440 ticks pub EUR=1.08 anna
#include <casc/client/call.hpp>

#include <csignal>
#include <iostream>

using namespace casc;
using namespace casc::client;
using namespace std::chrono_literals;

namespace {

volatile std::sig_atomic_t stop = 0;

int fail(const Error& why) {
    std::cerr << why.message() << '\n';
    return 1;
}

// Whoever comes first makes the topic.
Result<void> make_topic(Client& client, const std::string& name) {
    wire::fb::CreateTopicT request;
    request.name = name;
    request.settings = std::make_unique<wire::fb::TopicSettingsT>();
    request.settings->durability = static_cast<std::uint8_t>(Durability::volatile_);
    const auto made = client.call(request);
    if (!made && made.error().code != ErrorCode::topic_exists) return made.error();
    return {};
}

Result<void> publish(Client& client, const std::string& topic, const std::string& text,
                     const std::string& to) {
    CASC_TRY(auto producer, client.make_producer(topic, {.acks = Acks::memory}));
    const std::string key = text.substr(0, text.find('='));
    Event event{.payload = std::as_bytes(std::span(text))};
    event.key = std::as_bytes(std::span(key));
    event.destination = to;
    CASC_TRY_VOID(producer.send(event));
    return producer.close();
}

Result<void> subscribe(Client& client, const std::string& topic, const std::string& name) {
    TapOptions how;
    how.topics = {topic};
    how.start = TapStart::last_per_key;  // what it would have missed
    how.on_full = OnFull::conflate;      // too slow: the last of each key will do
    how.events_max = 1000;
    how.peer = name;
    CASC_TRY(auto tap, client.make_tap(how));
    std::cout << "ready" << std::endl;
    for (std::uint64_t skipped = 0; stop == 0;) {
        const auto events = tap.poll(100, 100ms);
        if (!events) {
            std::cerr << events.error().message() << '\n';
            continue;  // it begins again by itself
        }
        for (const ConsumedEvent& e : *events)
            std::cout << std::string_view(reinterpret_cast<const char*>(e.event.payload.data()),
                                          e.event.payload.size())
                      << std::endl;
        if (tap.skipped() == skipped) continue;
        std::cerr << tap.skipped() - skipped << " left out\n";
        skipped = tap.skipped();
    }
    return tap.close();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 3 ? argv[3] : "";
    const bool publishes = mode == "pub" && (argc == 5 || argc == 6);
    if (!publishes && !(mode == "sub" && (argc == 4 || argc == 5))) {
        std::cerr << "usage: casc-example-pub-sub ENDPOINT TOPIC sub [NAME]\n"
                     "       casc-example-pub-sub ENDPOINT TOPIC pub KEY=VALUE [TO]\n";
        return 2;
    }
    std::signal(SIGINT, [](int) { stop = 1; });
    std::signal(SIGTERM, [](int) { stop = 1; });

    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());
    if (const auto made = make_topic(**client, argv[2]); !made) return fail(made.error());
    const std::string last = argc > (publishes ? 5 : 4) ? argv[argc - 1] : "";
    const auto done =
        publishes ? publish(**client, argv[2], argv[4], last) : subscribe(**client, argv[2], last);
    return done ? 0 : fail(done.error());
}
