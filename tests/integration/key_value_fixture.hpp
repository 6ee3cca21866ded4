#pragma once
// A broker with a compacted topic, and its keys and values.

#include "broker_verbs.hpp"

#include <casc/wire/tombstone.hpp>

#include <map>
#include <optional>

namespace casc::test {

inline TestBrokerOptions compacting_options() {
    TestBrokerOptions options;
    options.settings = {"storage.slice_bytes=4MiB", "storage.retention_interval=100ms",
                        "storage.rewrite_after=0s"};
    return options;
}

inline void compacted(fb::TopicSettingsT& settings) {
    settings.cleanup = 1;
}

struct KeyValueFixture {
    TestBroker broker{compacting_options()};
    std::unique_ptr<client::Client> client;

    KeyValueFixture() { client = connect(broker); }
    client::KeyValue open(const std::string& topic = "kv", const ChangeSettings& change = {}) {
        create_topic(*client, topic, [&](fb::TopicSettingsT& settings) {
            compacted(settings);
            if (change) change(settings);
        });
        return must(client->open_key_value(topic));
    }
    static std::string value_of(const client::KeyValue& kv, const std::string& key) {
        const auto found = must(kv.get(key));
        return found ? found->value : "(nothing)";
    }
    // What somebody who reads the log from its start ends up with.
    std::map<std::string, std::string> replay(const std::string& topic) {
        const auto kv = must(client->open_key_value(topic));
        auto watch = must(kv.watch({.start = client::WatchStart::current}));
        std::map<std::string, std::string> state;
        for (;;) {
            const auto change = must(watch.next(kPatience));
            REQUIRE(change);
            if (change->is_mark) return state;
            if (change->entry.removed) {
                state.erase(change->entry.key);
            } else {
                state[change->entry.key] = change->entry.value;
            }
        }
    }
    client::QueueConsumer join_queue(const std::string& group, const std::string& topic) {
        client::QueueOptions options;
        options.group = group;
        options.topics = {topic};
        return must(client->make_queue_consumer(options));
    }
    template <class Condition>
    static bool eventually(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!condition())
            if (std::chrono::steady_clock::now() > deadline) return false;
        return true;
    }
    double figure(const std::string& name) { return figure_of(broker, name); }
};

}  // namespace casc::test
