// Takes work from a queue: each event goes to one worker, which says of each what became of it.
// Start it several times and they share the work; kill one and the others get what it had:
//   casc-example-work-queue 127.0.0.1:7440 orders mail
#include <casc/client/client.hpp>

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

std::string_view text_of(const ConsumedEvent& e) {
    return {reinterpret_cast<const char*>(e.event.payload.data()), e.event.payload.size()};
}

// What a worker does with an event: "fail ..." goes wrong every time, "retry ..." the first time.
Result<void> work_on(const ConsumedEvent& e) {
    if (text_of(e).starts_with("fail") || (text_of(e).starts_with("retry") && e.attempts == 1))
        return Error(ErrorCode::internal_error, "could not do '" + std::string(text_of(e)) + "'");
    std::cout << "done after " << e.attempts << ": " << text_of(e) << std::endl;
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::cerr << "usage: casc-example-work-queue ENDPOINT TOPIC GROUP\n";
        return 2;
    }
    std::signal(SIGINT, [](int) { stop = 1; });
    std::signal(SIGTERM, [](int) { stop = 1; });

    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());

    QueueOptions how;
    how.group = argv[3];
    how.topics = {argv[2]};
    how.settings.deliveries_max = 5;   // then it is a dead letter: casc-admin dlq show GROUP
    how.settings.retry_delay = 100ms;  // times the deliveries so far
    auto queue = (*client)->make_queue_consumer(how);
    if (!queue) return fail(queue.error());

    while (stop == 0) {
        const auto events = queue->poll(100, 100ms);
        if (!events) {
            std::cerr << events.error().message() << '\n';
            // Most pass by themselves: the member joins again.
            if (!error_info(events.error().code).retryable) return 1;
            continue;
        }
        for (const ConsumedEvent& e : *events) {
            const auto worked = work_on(e);
            const auto said =
                worked ? queue->done(e.id()) : queue->refuse(e.id(), worked.error().detail);
            // It was given to somebody else in the meantime; nothing can be done here.
            if (!said) std::cerr << said.error().message() << '\n';
        }
    }
    if (auto closed = queue->close(); !closed) return fail(closed.error());
    return 0;
}
