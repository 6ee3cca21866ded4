// Sends every line of the standard input to a topic:
//   casc-example-produce 127.0.0.1:7440 orders < lines.txt
#include <casc/client/client.hpp>

#include <iostream>
#include <string>

using namespace casc;
using namespace casc::client;

namespace {

int fail(const Error& why) {
    std::cerr << why.message() << '\n';
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: casc-example-produce ENDPOINT TOPIC\n";
        return 2;
    }
    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());

    // Told per batch, not per event: that costs nothing however many events there are.
    std::uint64_t delivered = 0;
    ProducerOptions how;
    how.on_batch = [&](const Delivery&, std::uint32_t count, const Result<void>& outcome) {
        if (outcome)
            delivered += count;
        else
            std::cerr << count << " events failed: " << outcome.error().message() << '\n';
    };
    auto producer = (*client)->make_producer(argv[2], how);
    if (!producer) return fail(producer.error());

    for (std::string line; std::getline(std::cin, line);) {
        Event event;
        event.payload = std::as_bytes(std::span(line));  // copied before send() returns
        if (auto sent = producer->send(event); !sent) return fail(sent.error());
    }
    // Waits until everything is acknowledged; `delivered` is complete behind it.
    if (auto closed = producer->close(milliseconds(30'000)); !closed) return fail(closed.error());
    std::cout << delivered << " events delivered\n";
    return 0;
}
