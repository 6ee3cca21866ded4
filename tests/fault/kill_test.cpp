// A broker that is killed at any moment loses nothing that it has acknowledged, repeats nothing and
// keeps the order.

#include "kill_load.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <random>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

TEST_CASE(
    "fault/kill: SIGKILL at random moments, a hundred times, loses, repeats and reorders nothing") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBroker broker;
    auto client = connect(broker);
    create_topic(*client, "orders");
    DeliveryHistory history;
    Load load(*client, history, "orders", seed);
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < 100; ++round) {
        // Not before the last life has acknowledged something, so that every round tests something.
        const auto patience = std::chrono::steady_clock::now() + 60s;
        while (history.acknowledged_count() <= acknowledged &&
               std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
        acknowledged = history.acknowledged_count();
        broker.kill_hard();
        broker.restart();
    }
    CHECK(load.stop());
    CHECK(load.failures == 0);
    CHECK(history.acknowledged_count() > 100);
    read_everything(*client, history, "orders");
    check_history(history);
}

TEST_CASE(
    "fault/kill: death at every named point of journal, checkpoint, slice and retention loses "
    "nothing") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBrokerOptions options;
    options.settings = {"storage.slice_bytes=4MiB", "topics.retention_bytes=2MiB",
                        "storage.retention_interval=100ms", "storage.rewrite_after=0s"};
    TestBroker broker(options);
    auto client = connect(broker);
    create_topic(*client, "orders");
    const std::vector<std::string> points = {"journal.segment_new",
                                             "journal.submit",
                                             "journal.written",
                                             "journal.recycle",
                                             "journal.opening",
                                             "checkpoint.begin",
                                             "checkpoint.sst_written",
                                             "checkpoint.ingested",
                                             "slice.roll",
                                             "checkpoint.state_written",
                                             "retention.drop",
                                             "retention.rewrite",
                                             "store.append"};
    DeliveryHistory history;
    history.expect_retention();
    for (const std::string& point : points) {
        INFO(point);
        broker.terminate();
        const bool frequent =
            point == "journal.submit" || point == "journal.written" || point == "store.append";
        const auto pass = frequent ? 1 + random() % 300 : 1;
        broker.options().environment["CASC_FAIL_POINT"] = point + ":" + std::to_string(pass);
        // A journal grows while nothing is stored from it, neither for its size nor for what
        // retention takes, and only until it is as large as its checkpoints ask: this point comes
        // first because any round may have grown it that far, where checkpoints are slow.
        if (point == "journal.segment_new")
            broker.options().settings = {"storage.checkpoint_bytes=64MiB",
                                         "storage.retention_interval=1h"};
        bool died_starting = false;
        try {
            broker.start();
        } catch (const std::runtime_error&) {
            died_starting =
                true;  // some points lie in the start itself; the broker then never serves
        }
        broker.options().environment.erase("CASC_FAIL_POINT");
        broker.options().settings = options.settings;
        if (died_starting) {
            broker.restart();
            continue;
        }
        // A slice is rewritten when it is neither full nor empty, which even lanes pass quickly.
        Load load(*client, history, "orders", static_cast<std::uint32_t>(random()),
                  {.low_lane_is_rare = point == "retention.rewrite"});
        CHECK(broker.wait_exit().signal == SIGKILL);
        broker.restart();
        CHECK(load.stop());
        CHECK(load.failures == 0);
    }
    // What retention takes away in front of a reader is not lost, but would look like it.
    keep_from_now_on(*client, "orders");
    read_everything(*client, history, "orders");
    check_history(history);
}
