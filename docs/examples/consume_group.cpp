// Reads a topic as a member of a group and prints each event; start it twice and the partitions are
// shared:
//   casc-example-consume-group 127.0.0.1:7440 orders billing
#include <casc/client/client.hpp>

#include <csignal>
#include <iostream>

using namespace casc;
using namespace casc::client;
using namespace std::chrono_literals;

namespace {

volatile std::sig_atomic_t stop = 0;

void print(const char* what, const std::vector<TopicPartition>& partitions) {
    std::cerr << what;
    for (const TopicPartition& partition : partitions)
        std::cerr << ' ' << partition.topic << '/' << partition.partition.value();
    std::cerr << '\n';
}

int fail(const Error& why) {
    std::cerr << why.message() << '\n';
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: casc-example-consume-group ENDPOINT TOPIC GROUP\n";
        return 2;
    }
    std::signal(SIGINT, [](int) { stop = 1; });
    std::signal(SIGTERM, [](int) { stop = 1; });

    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());

    ConsumerOptions how;
    how.group = argv[3];
    auto consumer = (*client)->make_consumer(how);
    if (!consumer) return fail(consumer.error());

    RebalanceCallbacks callbacks;
    callbacks.assigned = [](const auto& partitions) { print("assigned", partitions); };
    callbacks.revoked = [](const auto& partitions) { print("revoked", partitions); };
    callbacks.lost = [](const auto& partitions) { print("lost", partitions); };
    if (auto subscribed = consumer->subscribe({argv[2]}, callbacks); !subscribed)
        return fail(subscribed.error());

    while (stop == 0) {
        const auto events = consumer->poll(500, 100ms);
        if (!events) {
            std::cerr << events.error().message() << '\n';
            // Most pass by themselves: the consumer goes on where it was.
            if (!error_info(events.error().code).retryable) return 1;
            continue;
        }
        for (const ConsumedEvent& e : *events) {
            std::cout << e.partition.value() << ' ' << to_string(e.event.lane) << ' '
                      << e.event.offset.value() << ' '
                      << std::string_view(reinterpret_cast<const char*>(e.event.payload.data()),
                                          e.event.payload.size())
                      << '\n';
        }
        std::cout.flush();
        // With auto_commit (the default) what was handled here is committed in a later poll, and by
        // close().
    }
    if (auto closed = consumer->close(); !closed) return fail(closed.error());
    return 0;
}
