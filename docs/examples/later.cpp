// Sends an event once, however often it is run, now or later; who is too late does not get it:
//   casc-admin topic create reminders --dedup-window 1h
//   casc-example-later 127.0.0.1:7440 reminders "call anna" 60000
// The broker holds it until its time, also over a restart; `casc-admin schedule ls` shows it and
// `schedule cancel` takes it back.
#include <casc/client/client.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iostream>
#include <string>

using namespace casc;
using namespace casc::client;

namespace {

int fail(const Error& why) {
    std::cerr << why.message() << '\n';
    return 1;
}

// What makes the event this one and no other. A real program takes the id of the order, the job or
// the request; 16 bytes, of any kind.
std::array<std::byte, 16> id_of(const std::string& text) {
    std::array<std::byte, 16> id{};
    std::memcpy(id.data(), text.data(), std::min(text.size(), id.size()));
    return id;
}

}  // namespace

int main(int argc, char** argv) {
    std::int64_t delay_ms = 0;
    const std::string_view given = argc == 5 ? argv[4] : argc == 4 ? "0" : "";
    if (std::from_chars(given.data(), given.data() + given.size(), delay_ms).ec != std::errc{}) {
        std::cerr << "usage: casc-example-later ENDPOINT TOPIC TEXT [DELAY_MS]\n";
        return 2;
    }
    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());
    auto producer = (*client)->make_producer(argv[2]);
    if (!producer) return fail(producer.error());

    const std::string text = argv[3];
    Event event;
    event.payload = std::as_bytes(std::span(text));
    event.message_id = id_of(text);
    event.time_to_live_ms = 3'600'000;  // counts from when it is delivered to the log
    if (delay_ms > 0) event.deliver_at = wall_now() + EpochNanos::distance(delay_ms * 1'000'000);
    const auto delivery = producer->send_future(event).get();
    if (!delivery) return fail(delivery.error());
    if (delivery->duplicate)
        std::cout << "was there already\n";
    else if (delivery->schedule_id != 0)
        std::cout << "waits as schedule " << delivery->schedule_id << '\n';
    else
        std::cout << "stored at offset " << delivery->offset.value() << '\n';
    return 0;
}
