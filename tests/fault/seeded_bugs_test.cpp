// The checker of kill_test.cpp finds the bug that it exists for: an answer that is sent before the
// journal write has been handed to the kernel, which a SIGKILL then swallows.

#include "kill_load.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

TEST_CASE("fault/seeded_bugs: an acknowledgement before the journal write is submitted is found") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBroker broker;
    {
        const auto client = connect(broker);
        create_topic(*client, "orders");
    }
    broker.terminate();
    DeliveryHistory history;
    std::string found;
    for (int life = 0; life < 20 && found.empty(); ++life) {
        broker.options().environment["CASC_SEEDED_BUG"] = "ack_before_submit";
        broker.start();
        // A client of its own for each life: what the bug does to this one is not judged.
        const auto client = connect(broker);
        const std::uint64_t before = history.acknowledged_count();
        {
            Load load(*client, history, "orders", static_cast<std::uint32_t>(random()));
            const auto patience = std::chrono::steady_clock::now() + 60s;
            while (history.acknowledged_count() <= before + 20 &&
                   std::chrono::steady_clock::now() < patience)
                std::this_thread::sleep_for(1ms);
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 300'000));
            broker.kill_hard();
            broker.options().environment.erase("CASC_SEEDED_BUG");
            broker.start();  // before the load ends, which may be waiting for room in the client
        }
        const auto reader = connect(broker);
        history.forget_received();
        read_everything(*reader, history, "orders");
        for (const std::string& violation : history.violations())
            if (violation.find("acknowledged but lost") != std::string::npos) found = violation;
        broker.terminate();
    }
    MESSAGE(found);
    CHECK(found != "");
}
