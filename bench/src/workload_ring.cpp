// The `ring` workload: is casc::ring as fast as the best queues there are? Three patterns (batches
// one way, single items one way, one item there and back) with items of 8 and 64 bytes. In every
// round each queue runs once, in turn, so that whatever else happens on the machine happens to all;
// what counts is the median over the rounds of "time of the peer / time of casc".

#include "host.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "ring_contestants.hpp"
#include "ring_measure.hpp"
#include "workload.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;

constexpr std::size_t kCapacity = 4096;
constexpr std::size_t kBatchCount = 64;
constexpr std::size_t kRingRounds = 21;  // odd: the median is one of them

constexpr std::string_view pattern_name(RingPattern pattern) {
    constexpr std::array<std::string_view, 3> names{"batched", "single", "round_trip"};
    return names[static_cast<std::size_t>(pattern)];
}

// A warm queue: made and run through once, so that its memory has been touched and it is in the
// caches like the others.
template <class Queue, class Item>
class WarmQueues {
public:
    WarmQueues() : there_(kCapacity), back_(kCapacity) {
        static_cast<void>(sample(RingPattern::batched, 4 * kCapacity));
    }

    RingSample sample(RingPattern pattern, std::uint64_t item_count) {
        switch (pattern) {
            case RingPattern::batched:
                return measure_batched<Item>(there_, item_count, kBatchCount);
            case RingPattern::single:
                return measure_single<Item>(there_, item_count);
            case RingPattern::round_trip:
                return measure_round_trip<Item>(there_, back_, item_count);
        }
        return {};
    }

private:
    Queue there_;
    Queue back_;
};

struct Contest {
    RingPattern pattern;
    std::size_t item_bytes;
    std::uint64_t item_count;
    std::vector<std::string> names;            // casc first
    std::vector<std::vector<double>> seconds;  // per queue, per round
    std::uint64_t error_count = 0;

    [[nodiscard]] double items_per_second(std::size_t queue) const {
        return static_cast<double>(item_count) / median(seconds[queue]);
    }
    // Above 1: casc is that much faster than `queue`.
    [[nodiscard]] std::vector<double> ratios_to(std::size_t queue) const {
        std::vector<double> ratios;
        for (std::size_t round = 0; round < seconds[0].size(); ++round) {
            ratios.push_back(seconds[queue][round] / seconds[0][round]);
        }
        return ratios;
    }
    // The peer that casc beats by least.
    [[nodiscard]] std::size_t best_peer() const {
        return median(ratios_to(1)) < median(ratios_to(2)) ? 1 : 2;
    }
    [[nodiscard]] double ratio() const { return median(ratios_to(best_peer())); }
};

template <std::size_t kItemBytes>
Contest run_contest(RingPattern pattern, std::uint64_t item_count, Progress& progress, double done,
                    double share) {
    using Item = RingItem<kItemBytes>;
    // On the heap, each in its own allocation, as in a program.
    auto casc_queue = std::make_unique<WarmQueues<CascContestant<Item>, Item>>();
    auto boost_queue = std::make_unique<WarmQueues<BoostContestant<Item>, Item>>();
    auto moody_queue = std::make_unique<WarmQueues<MoodycamelContestant<Item>, Item>>();
    Contest contest{pattern,
                    kItemBytes,
                    item_count,
                    {CascContestant<Item>::kName, BoostContestant<Item>::kName,
                     MoodycamelContestant<Item>::kName},
                    std::vector<std::vector<double>>(3),
                    0};
    const auto run_one = [&](std::size_t index) {
        const RingSample sample = index == 0   ? casc_queue->sample(pattern, item_count)
                                  : index == 1 ? boost_queue->sample(pattern, item_count)
                                               : moody_queue->sample(pattern, item_count);
        contest.seconds[index].push_back(sample.seconds);
        contest.error_count += sample.intact ? 0 : 1;
    };
    for (std::size_t round = 0; round < kRingRounds; ++round) {
        // Another one begins each time, so that none always follows the same neighbour.
        for (std::size_t turn = 0; turn < 3; ++turn)
            run_one((round + turn) % 3);
        progress.show(done + share * static_cast<double>(round + 1) / kRingRounds,
                      pattern_name(pattern));
    }
    return contest;
}

json::object describe(const Contest& contest) {
    json::object rates;
    json::object ratios;
    json::object lowest;
    json::object highest;
    for (std::size_t queue = 0; queue < contest.names.size(); ++queue) {
        rates[contest.names[queue]] = contest.items_per_second(queue);
        if (queue == 0) continue;
        auto all = contest.ratios_to(queue);
        std::ranges::sort(all);
        ratios[contest.names[queue]] = median(all);
        lowest[contest.names[queue]] = all[all.size() / 4];
        highest[contest.names[queue]] = all[all.size() * 3 / 4];
    }
    return {{"pattern", pattern_name(contest.pattern)},
            {"item_bytes", contest.item_bytes},
            {"items", contest.item_count},
            {"ratio_to_best_peer", contest.ratio()},
            {"items_per_second", std::move(rates)},
            {"ratio_median", std::move(ratios)},
            {"ratio_lower_quartile", std::move(lowest)},
            {"ratio_upper_quartile", std::move(highest)}};
}

void run_ring(const Options& options, Report& report) {
    const std::uint64_t batched_count = options.event_count.value_or(2'000'000);
    report.parameters = {{"rounds", kRingRounds},
                         {"capacity", kCapacity},
                         {"batch", kBatchCount},
                         {"item_bytes", json::array{8, 64}},
                         {"batched_items", batched_count},
                         {"single_items", batched_count / 4},
                         {"round_trips", batched_count / 100},
                         {"processors", json::array{0, 1 % cpu_count()}}};
    print_banner(report);
    if (cpu_count() < 2) throw std::runtime_error("needs two processors");

    std::vector<Contest> contests;
    {
        Progress progress("ring");
        constexpr double kShare = 1.0 / 6;
        for (const RingPattern pattern :
             {RingPattern::batched, RingPattern::single, RingPattern::round_trip}) {
            const std::uint64_t count = pattern == RingPattern::batched  ? batched_count
                                        : pattern == RingPattern::single ? batched_count / 4
                                                                         : batched_count / 100;
            const auto done = static_cast<double>(contests.size()) * kShare;
            contests.push_back(run_contest<8>(pattern, count, progress, done, kShare));
            contests.push_back(run_contest<64>(pattern, count, progress, done + kShare, kShare));
        }
    }

    json::array cases;
    for (const Contest& contest : contests) {
        report.error_count += contest.error_count;
        cases.push_back(describe(contest));
    }
    report.details["cases"] = std::move(cases);
    // The headline is the size of item that does worse against its best peer.
    const Contest& headline = contests[0].ratio() < contests[1].ratio() ? contests[0] : contests[1];
    const std::size_t peer = headline.best_peer();
    const auto bytes = static_cast<double>(headline.item_bytes);
    report.events_per_second = headline.items_per_second(0);
    report.bytes_per_second = report.events_per_second * bytes;
    report.limit.name = headline.names[peer] + ", batches of " + std::to_string(kBatchCount) +
                        ", items of " + std::to_string(headline.item_bytes) + " bytes";
    report.limit.events_per_second = headline.items_per_second(peer);
    report.limit.bytes_per_second = headline.items_per_second(peer) * bytes;
    report.share_of_limit = headline.ratio();
    report.rss_bytes_max = own_rss_bytes_max();
    report.cpu_seconds.client = own_cpu_seconds();
}

constexpr std::array<std::string_view, 1> kRingFlags{"--events"};

}  // namespace

extern const Workload kRingWorkload;
const Workload kRingWorkload{
    "ring", "Is casc::ring as fast as the best queues between two threads?", kRingFlags, run_ring};

}  // namespace casc::bench
