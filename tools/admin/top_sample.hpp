#pragma once
// tools/admin/top_sample.hpp: what `top` knows of a broker at one moment, and the change between
// two. Thread: one at a time (values).

#include "group_lag.hpp"
#include "session.hpp"

#include <casc/types/vocabulary.hpp>

#include <map>
#include <string>
#include <vector>

namespace casc::admin {

struct TopSample {
    MonoNanos at;
    std::string broker_id;
    std::uint64_t uptime_ms = 0;
    std::map<std::string, double, std::less<>> figures;
    struct Topic {
        std::uint64_t events = 0;
        std::uint64_t bytes = 0;
    };
    std::map<std::string, Topic> topics;
    std::map<std::string, std::uint64_t> lag;  // of each group
};

// Fails with what the broker says.
[[nodiscard]] Result<TopSample> take_sample(Session& session);

// What moved between two samples, per second; and what stands, from the later one.
struct TopView {
    TopSample now;
    double seconds = 0;  // 0: there is no earlier sample, and no rate

    struct TopicRow {
        std::string name;
        std::uint64_t events;
        std::uint64_t bytes;
        double events_per_second;  // growth; retention counts against it
    };
    std::vector<TopicRow> topics;  // the busiest first
    struct GroupRow {
        std::string name;
        std::uint64_t lag;
        double lag_per_second;
    };
    std::vector<GroupRow> groups;  // the most behind first

    TopView(TopSample sample, const TopSample* before);

    [[nodiscard]] double figure(std::string_view name) const;
    // Of a counter; 0 after a restart of the broker, when it began anew.
    [[nodiscard]] double rate(std::string_view counter) const;

private:
    std::map<std::string, double, std::less<>> rates_;
};

}  // namespace casc::admin
