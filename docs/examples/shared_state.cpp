// Shared state without Redis: a counter that any number of processes add to, and a watch that sees
// every step.
//
//   casc-admin topic create state --cleanup compact
//   casc-example-shared-state 127.0.0.1:7440 state watch counter &
//   casc-example-shared-state 127.0.0.1:7440 state add counter 100

#include <casc/client/client.hpp>

#include <iostream>
#include <string>

using namespace casc;
using namespace std::chrono_literals;

namespace {

// Takes what is there and puts one more, if nobody else was faster; then takes what they have put.
Result<void> add_one(const client::KeyValue& state, const std::string& key) {
    for (;;) {
        CASC_TRY(const auto now, state.get(key));
        const long value = now ? std::stol(now->value) : 0;
        CASC_TRY(const auto put,
                 state.put(key, std::to_string(value + 1), now ? now->revision : 0));
        if (put.stored) return {};
    }
}

// Prints the value that there is, then every change.
Result<void> watch(const client::KeyValue& state, const std::string& key) {
    CASC_TRY(auto changes, state.watch({.key = key, .start = client::WatchStart::current}));
    for (;;) {
        CASC_TRY(const auto change, changes.next(1000ms));
        if (!change || change->is_mark) continue;
        std::cout << (change->entry.removed ? "removed" : change->entry.value) << std::endl;
    }
}

Result<void> run(const std::string& address, const std::string& topic, const std::string& what,
                 const std::string& key, int times) {
    client::ClientOptions options;
    options.endpoints = {address};
    CASC_TRY(const auto client, client::Client::connect(options));
    CASC_TRY(const auto state, client->open_key_value(topic));
    if (what == "watch") return watch(state, key);
    for (int i = 0; i < times; ++i)
        CASC_TRY_VOID(add_one(state, key));
    CASC_TRY(const auto now, state.get(key));
    std::cout << key << " is " << (now ? now->value : "nothing") << std::endl;
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    const bool adds = argc == 6 && std::string(argv[3]) == "add";
    if (!adds && !(argc == 5 && std::string(argv[3]) == "watch")) {
        std::cerr << "usage: casc-example-shared-state ENDPOINT TOPIC watch KEY | add KEY TIMES\n";
        return 2;
    }
    const auto done = run(argv[1], argv[2], argv[3], argv[4], adds ? std::atoi(argv[5]) : 0);
    if (done) return 0;
    std::cerr << done.error().message() << '\n';
    return 1;
}
