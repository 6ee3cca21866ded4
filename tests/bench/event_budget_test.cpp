// What an event costs client and broker: the reading of /proc, the arithmetic, and the counters of
// the kernel. That every workload reports it is held against with_budget.sh.

#include "event_budget.hpp"

#include "pacing.hpp"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <chrono>
#include <sstream>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

using namespace casc::bench;

namespace {

namespace json = boost::json;

Costs costs_with(Cost cost, double value) {
    Costs costs;
    costs.set(cost, value);
    return costs;
}

BudgetPerEvent budget_of(double events, double payload_bytes, Costs broker) {
    BudgetPerEvent budget;
    budget.event_count = events;
    budget.call_event_count = events;
    budget.payload_bytes = payload_bytes;
    budget.broker = std::move(broker);
    return budget;
}

std::optional<Switches> switches_in(const std::string& status) {
    std::istringstream in(status);
    return parse_switches(in);
}

void call_the_kernel(int times) {
    for (int i = 0; i < times; ++i)
        ::syscall(SYS_getppid);
}

}  // namespace

TEST_CASE("bench/budget per event: a process may be called anything, its times are found") {
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto times =
        parse_processor_times("7 (a) 1 (b c) S 1 2 3 4 5 6 70 80 90 100 250 50 11 12 20 0 9 0");
    REQUIRE(times);
    CHECK(times->user_seconds == doctest::Approx(250 / ticks));
    CHECK(times->system_seconds == doctest::Approx(50 / ticks));
    CHECK_FALSE(parse_processor_times(""));
    CHECK_FALSE(parse_processor_times("7 (cut) S 1 2 3"));
}

TEST_CASE("bench/budget per event: both kinds of switches are found, or none") {
    const auto switches =
        switches_in("Name:\tx\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t3\n");
    REQUIRE(switches);
    CHECK(switches->voluntary == 12);
    CHECK(switches->involuntary == 3);
    CHECK_FALSE(switches_in("voluntary_ctxt_switches:\t12\n"));
    CHECK_FALSE(switches_in("voluntary_ctxt_switches:\tx\nnonvoluntary_ctxt_switches:\t3\n"));
}

TEST_CASE("bench/budget per event: threads that came meanwhile count, one that went is unknown") {
    const auto grown = switches_since({{1, {10, 1}}}, {{1, {15, 1}}, {2, {7, 4}}});
    CHECK(grown.of(Cost::voluntary_switches) == 12);
    CHECK(grown.of(Cost::involuntary_switches) == 4);
    const auto lost = switches_since({{1, {10, 1}}, {2, {7, 4}}}, {{1, {15, 1}}});
    CHECK_FALSE(lost.of(Cost::voluntary_switches));
    CHECK(lost.unknown().contains(Cost::voluntary_switches));
    CHECK_FALSE(switches_since({}, {}).of(Cost::involuntary_switches));
}

TEST_CASE("bench/budget per event: counts are divided by events, bytes by bytes of payload") {
    Costs broker = costs_with(Cost::user_ns, 6000);
    broker.set(Cost::journal_bytes, 2400);
    const auto budget = budget_of(20, 2000, broker);
    CHECK(budget.per_event(budget.broker, Cost::user_ns) == 300);
    CHECK(budget.per_event(budget.broker, Cost::journal_bytes) == doctest::Approx(1.2));
    const auto empty = budget_of(0, 0, broker);
    CHECK_FALSE(empty.per_event(empty.broker, Cost::user_ns));
    CHECK_FALSE(empty.per_event(empty.broker, Cost::journal_bytes));
}

TEST_CASE("bench/budget per event: passes add up, and growth is what came on top") {
    auto budget = budget_of(10, 1000, costs_with(Cost::system_ns, 500));
    budget += budget_of(30, 3000, costs_with(Cost::system_ns, 300));
    CHECK(budget.per_event(budget.broker, Cost::system_ns) == 20);
    const auto growth =
        costs_with(Cost::disk_bytes, 900).growth_since(costs_with(Cost::disk_bytes, 200));
    CHECK(growth.of(Cost::disk_bytes) == 700);
}

TEST_CASE("bench/budget per event: what one run has not looked at is what the other has") {
    Costs costs = costs_with(Cost::user_ns, 500);
    costs += costs_with(Cost::system_calls, 7);
    CHECK(costs.of(Cost::user_ns) == 500);
    CHECK(costs.of(Cost::system_calls) == 7);
    CHECK_FALSE(costs.growth_since(Costs{}).of(Cost::user_ns));
}

TEST_CASE("bench/budget per event: what is unknown once stays unknown, is null and says why") {
    Costs unknown;
    unknown.set_unknown(Cost::system_calls, "the kernel does not say");
    auto budget = budget_of(10, 1000, costs_with(Cost::system_calls, 500));
    budget += budget_of(10, 1000, unknown);
    budget += budget_of(10, 1000, costs_with(Cost::system_calls, 500));
    const json::object broker = budget.to_json().at("broker").as_object();
    CHECK(broker.at("system_calls").is_null());
    CHECK(broker.at("not_measured").at("system_calls").as_string() == "the kernel does not say");
    CHECK(budget.to_text().find("unknown system calls") != std::string::npos);
}

TEST_CASE("bench/budget per event: what is known has a number in JSON and no excuse") {
    Costs client;
    for (const Cost cost : {Cost::user_ns, Cost::system_ns, Cost::voluntary_switches,
                            Cost::involuntary_switches, Cost::system_calls})
        client.set(cost, 40);
    BudgetPerEvent budget;
    budget.event_count = 20;
    budget.call_event_count = 10;
    budget.client = client;
    const json::object object = budget.to_json().at("client").as_object();
    CHECK(object.at("involuntary_context_switches").as_double() == 2);
    CHECK(object.at("system_calls").as_double() == 4);  // counted in a run of its own
    CHECK_FALSE(object.contains("not_measured"));
}

TEST_CASE("bench/budget per event: system calls of old and new threads count, or it says why not") {
    const ProcessMeter meter(::getpid());
    call_the_kernel(1000);
    std::thread(call_the_kernel, 1000).join();
    const Costs spent = meter.spent();
    CHECK(spent.of(Cost::user_ns));
    CHECK(spent.of(Cost::voluntary_switches));
    if (const auto calls = spent.of(Cost::system_calls)) {
        CHECK(*calls >= 2000);
        CHECK(*calls < 4000);
    } else {
        CHECK_FALSE(spent.unknown().at(Cost::system_calls).empty());
    }
}

TEST_CASE("bench/budget per event: system calls are counted alone, or not at all, when asked to") {
    const Costs only_calls = ProcessMeter(::getpid(), Counting::only_calls).spent();
    CHECK_FALSE(only_calls.of(Cost::user_ns));
    CHECK(only_calls.of(Cost::system_calls).has_value() !=
          only_calls.unknown().contains(Cost::system_calls));
    const Costs all_but_calls = ProcessMeter(::getpid(), Counting::all_but_calls).spent();
    CHECK(all_but_calls.of(Cost::user_ns));
    CHECK_FALSE(all_but_calls.of(Cost::system_calls));
    CHECK(all_but_calls.unknown().empty());
}

TEST_CASE("bench/budget per event: without /proc/PID/io the times are known, and the reverse") {
    const Costs times = costs_out_of_proc(ProcessorTimes{2, 1}, {});
    CHECK(times.of(Cost::user_ns) == 2e9);
    CHECK(times.of(Cost::system_ns) == 1e9);
    CHECK(times.unknown().contains(Cost::disk_bytes));
    const Costs disk = costs_out_of_proc({}, 4096);
    CHECK(disk.of(Cost::disk_bytes) == 4096);
    CHECK(disk.unknown().contains(Cost::user_ns));
}

TEST_CASE("bench/budget per event: the waiting of who has to be on time is known apart") {
    const auto time_awake = [](Awake awake) {
        Pacing pacing(awake);
        for (int i = 0; i < 20; ++i)
            pacing.wait_until(Pacing::Clock::now() + std::chrono::microseconds(200));
        return pacing.time_awake().count();
    };
    CHECK(time_awake(Awake::counted) > 0);
    CHECK(time_awake(Awake::uncounted) == 0);
}

TEST_CASE("bench/budget per event: what was spent before the start does not count") {
    ProcessMeter meter(::getpid());
    call_the_kernel(5000);
    meter.start();
    const Costs spent = meter.spent();
    const auto calls = spent.of(Cost::system_calls);
    CHECK((calls ? *calls < 5000 : spent.unknown().contains(Cost::system_calls)));
}

TEST_CASE("bench/budget per event: of a process that is not there everything is unknown") {
    const Costs spent = ProcessMeter(-1).spent();
    for (const Cost cost :
         {Cost::user_ns, Cost::voluntary_switches, Cost::system_calls, Cost::disk_bytes}) {
        CHECK_FALSE(spent.of(cost));
        CHECK_FALSE(spent.unknown().at(cost).empty());
    }
}
