// A program that brings its own broker: no port, no second process. Its clients reach it through
// rings in memory, by the very protocol that others would use over TCP.
//   casc-example-in-process /tmp/my-data
// The broker could listen on an address besides, for others to look in: add one to
// listen.endpoints.
#include <casc/broker/broker.hpp>
#include <casc/client/call.hpp>

#include <iostream>

using namespace casc;
using namespace std::chrono_literals;

namespace {

Result<std::unique_ptr<broker::Broker>> start_broker(const std::string& folder) {
    CASC_TRY(const auto config, broker::load_config({}, {},
                                                    {{"node.data_directory", folder},
                                                     {"listen.endpoints", "inproc://readings"}}));
    return broker::Broker::start(config);
}

Result<void> work(const std::string& endpoint) {
    client::ClientOptions options;
    options.endpoints = {endpoint};
    CASC_TRY(const auto client, client::Client::connect(options));

    wire::fb::CreateTopicT topic;
    topic.name = "readings";
    const auto made = client->call(topic);
    if (!made && made.error().code != ErrorCode::topic_exists) return made.error();

    // Durable, like with any other broker: what was acknowledged is there at the next start.
    CASC_TRY(auto producer, client->make_producer("readings"));
    for (const std::string_view reading : {"18.5", "18.7", "19.1"})
        CASC_TRY_VOID(producer.send({.payload = std::as_bytes(std::span(reading))}));
    CASC_TRY_VOID(producer.close());

    client::ConsumerOptions how;
    how.group = "screen";
    CASC_TRY(auto consumer, client->make_consumer(how));
    CASC_TRY_VOID(consumer.subscribe({"readings"}));
    for (int shown = 0; shown < 3;) {
        CASC_TRY(const auto events, consumer.poll(100, 100ms));
        for (const auto e : events) {
            const auto payload = e.event.payload;
            std::cout << "reading "
                      << std::string_view(reinterpret_cast<const char*>(payload.data()),
                                          payload.size())
                      << '\n';
            ++shown;
        }
    }
    return consumer.close();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: casc-example-in-process FOLDER\n";
        return 2;
    }
    auto broker = start_broker(argv[1]);
    if (!broker) {
        std::cerr << broker.error().message() << '\n';
        return 1;
    }
    // The client is gone before the broker is told to stop: it would wait for it for a while.
    const auto done = work((*broker)->endpoints().front());
    (*broker)->request_drain();
    const auto stopped = (*broker)->wait();
    for (const auto* outcome : {&done, &stopped})
        if (!*outcome) std::cerr << outcome->error().message() << '\n';
    return done && stopped ? 0 : 1;
}
