// Push work to whichever worker has room, on a topic that nobody stores. Start as many workers as
// you like; when none has room, whoever pushes waits.
//   casc-example-push-pull 127.0.0.1:7440 jobs pull
//   casc-example-push-pull 127.0.0.1:7440 jobs push 1000
// What a worker has taken when it dies is lost, as with ZeroMQ; work_queue.cpp is the one that
// loses nothing.
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

Result<void> push(Client& client, const std::string& topic, int count) {
    ProducerOptions how;
    how.acks = Acks::memory;
    how.batch_bytes = 1;  // each job goes to a worker by itself
    CASC_TRY(auto producer, client.make_producer(topic, how));
    for (int i = 0; i < count; ++i) {
        const std::string job = "job " + std::to_string(i);
        CASC_TRY_VOID(producer.send({.payload = std::as_bytes(std::span(job))}));
    }
    return producer.close();
}

Result<void> pull(Client& client, const std::string& topic) {
    TapOptions how;
    how.topics = {topic};
    how.share = topic + "-workers";
    how.on_full = OnFull::block;
    how.credit_bytes = 1024;  // a worker takes a few jobs ahead; the others can have the rest
    CASC_TRY(auto tap, client.make_tap(how));
    std::cout << "ready" << std::endl;
    while (stop == 0) {
        const auto events = tap.poll(1, 100ms);
        if (!events) {
            std::cerr << events.error().message() << '\n';
            continue;  // it begins again by itself
        }
        for (const ConsumedEvent& e : *events)
            std::cout << "done: "
                      << std::string_view(reinterpret_cast<const char*>(e.event.payload.data()),
                                          e.event.payload.size())
                      << std::endl;
    }
    return tap.close();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 3 ? argv[3] : "";
    if (!(mode == "push" && argc == 5) && !(mode == "pull" && argc == 4)) {
        std::cerr << "usage: casc-example-push-pull ENDPOINT TOPIC pull\n"
                     "       casc-example-push-pull ENDPOINT TOPIC push COUNT\n";
        return 2;
    }
    std::signal(SIGINT, [](int) { stop = 1; });
    std::signal(SIGTERM, [](int) { stop = 1; });

    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());
    if (const auto made = make_topic(**client, argv[2]); !made) return fail(made.error());
    const auto done =
        mode == "push" ? push(**client, argv[2], std::stoi(argv[4])) : pull(**client, argv[2]);
    return done ? 0 : fail(done.error());
}
