// Producers and a consumer group at work while the broker is killed every few seconds: nothing
// acknowledged is lost, repeated or out of order, and the group's positions never go back.
//
// A quarter of a minute; CASC_TEST_MINUTES=30 casc_fault_tests --source-file=*long_kill* for the
// real thing.

#include "group_reader.hpp"
#include "kill_load.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

double minutes_of_this_run() {
    const char* given = std::getenv("CASC_TEST_MINUTES");
    return given != nullptr ? std::atof(given) : 0.25;
}

// The checker remembers every event, so half an hour of them has to fit into memory.
constexpr std::uint32_t kEventsPerSecond = 3000;

}  // namespace

TEST_CASE(
    "fault/long_kill: SIGKILL every few seconds under load loses, repeats and reorders nothing") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBroker broker;
    auto client = connect(broker);
    create_topic(*client, "orders");
    DeliveryHistory history;
    GroupHistory group;
    const auto first_client = connect(broker);
    const auto second_client = connect(broker);
    int kills = 0;
    {
        GroupReader first(*first_client, group, "readers", "orders");
        GroupReader second(*second_client, group, "readers", "orders");
        Load load(*client, history, "orders", seed, {.events_per_second = kEventsPerSecond});
        const auto end = std::chrono::steady_clock::now() +
                         std::chrono::duration_cast<std::chrono::nanoseconds>(
                             std::chrono::duration<double, std::ratio<60>>(minutes_of_this_run()));
        while (std::chrono::steady_clock::now() < end) {
            std::this_thread::sleep_for(1s + std::chrono::milliseconds(random() % 3000));
            broker.kill_hard();
            broker.restart();
            ++kills;
        }
        CHECK(load.stop());
        CHECK(load.failures == 0);
        // What the group has not read yet it reads now.
        const auto patience = std::chrono::steady_clock::now() + 120s;
        while (group.received_count() < history.acknowledged_count() &&
               std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(10ms);
    }
    read_everything(*client, history, "orders");
    check_history(history);
    for (const std::string& violation : group.violations())
        MESSAGE(violation);
    CHECK(group.violations().empty());
    CHECK(group.commits() > 0);
    std::uint64_t missed = 0;
    history.for_each_acknowledged([&](const SentEvent& event) {
        if (!group.has({event.partition, event.lane}, event.counter)) ++missed;
    });
    CHECK(missed == 0);
    MESSAGE(kills << " kills, " << history.acknowledged_count() << " events acknowledged, "
                  << group.received_count() << " received by the group in " << group.commits()
                  << " committed positions");
    CHECK(kills > 0);
}
