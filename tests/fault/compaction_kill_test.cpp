// A broker that is killed while keys are put and logs are compacted has every acknowledged put
// afterwards, and its revisions never go back.

#include "kill_load.hpp"

#include <casc/client/key_value.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

// Puts the next number to a few keys for as long as it lives, each by the revision that it knows.
class Puts {
public:
    Puts(client::KeyValue kv, std::string prefix)
        : kv_(std::move(kv)), prefix_(std::move(prefix)), thread_([this] { run(); }) {}
    ~Puts() { stop(); }
    void stop() {
        stopped_ = true;
        if (thread_.joinable()) thread_.join();
    }
    std::atomic<int> acknowledged{0};
    std::atomic<int> wrong{0};

    struct Known {
        int tried = -1;  // the last value that may have been stored
        int value = -1;  // the last one that was acknowledged
        client::Revision revision = 0;
    };
    const std::map<std::string, Known>& known() const { return known_; }

private:
    void run() {
        for (int i = 0; !stopped_; ++i) {
            const std::string key = prefix_ + std::to_string(i % 5);
            Known& known = known_[key];
            known.tried = i;
            const auto put = kv_.put(key, std::to_string(i) + std::string(1000, '.'));
            if (!put) continue;  // it was killed, and may have been stored
            if (!put->stored || put->revision <= known.revision) ++wrong;
            known.value = i;
            known.revision = put->revision;
            ++acknowledged;
        }
    }
    client::KeyValue kv_;
    const std::string prefix_;
    std::map<std::string, Known> known_;
    std::atomic<bool> stopped_{false};
    std::thread thread_;
};

void check(const client::KeyValue& kv, const Puts& puts) {
    for (const auto& entry : puts.known()) {
        const std::string& key = entry.first;
        const auto& known = entry.second;
        INFO(key);
        const auto found = kv.get(key);
        REQUIRE(found);
        if (known.value < 0) continue;
        REQUIRE(*found);
        const int value = std::stoi((*found)->value);
        CHECK(value >= known.value);
        CHECK(value <= known.tried);
        CHECK((*found)->revision >= known.revision);
    }
}

}  // namespace

TEST_CASE("fault/compaction: death at every named point and at random moments loses no put") {
    const std::uint32_t seed = seed_of_this_run();
    std::mt19937 random(seed);
    TestBrokerOptions options;
    options.settings = {"storage.slice_bytes=4MiB", "storage.retention_interval=100ms",
                        "storage.rewrite_after=0s"};
    TestBroker broker(options);
    auto client = connect(broker);
    wire::fb::CreateTopicT create;
    create.name = "kv";
    create.settings = std::make_unique<wire::fb::TopicSettingsT>();
    create.settings->cleanup = 1;
    create.settings->compaction_lag_ms = 0;
    REQUIRE(client->call(create));
    auto opened = client->open_key_value("kv");
    REQUIRE(opened);
    Puts first(*opened, "a");
    Puts second(*opened, "b");
    const std::vector<std::string> points{"rewrite.sst_written", "rewrite.shadowed",
                                          "checkpoint.ingested", "checkpoint.state_written",
                                          "retention.rewrite"};
    for (const std::string& point : points) {
        INFO(point);
        broker.terminate();
        broker.options().environment["CASC_FAIL_POINT"] = point + ":1";
        broker.start();
        CHECK(broker.wait_exit().code != 0);
        broker.options().environment.clear();
        broker.start();
    }
    for (int round = 0; round < 10; ++round) {
        const int before = first.acknowledged + second.acknowledged;
        const auto patience = std::chrono::steady_clock::now() + 60s;
        while (first.acknowledged + second.acknowledged < before + 300 &&
               std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(1ms);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
        broker.kill_hard();
        broker.restart();
    }
    first.stop();
    second.stop();
    CHECK(first.wrong == 0);
    CHECK(second.wrong == 0);
    CHECK(first.acknowledged > 100);
    check(*opened, first);
    check(*opened, second);
}
