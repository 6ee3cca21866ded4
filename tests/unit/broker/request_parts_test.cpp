// The parts of request routing that can be looked at without a broker: who is next, which request
// is next, when one is over, which call a number means.

#include "request_slots.hpp"
#include "request_wheel.hpp"

#include <casc/ring/brief_wait.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>

using namespace casc;
using namespace casc::broker;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kTick = DeadlineWheel::kTickNanos;

struct WheelFixture {
    DeadlineWheel wheel{MonoNanos(0)};
    std::vector<std::uint32_t> expired_at(std::int64_t now) {
        std::vector<std::uint32_t> expired;
        wheel.expire(MonoNanos(now), [&](std::uint32_t id) { expired.push_back(id); });
        std::sort(expired.begin(), expired.end());
        return expired;
    }
};

struct HeapFixture {
    ReadyServings ready;
    std::vector<std::unique_ptr<Serving>> servings;
    std::uint64_t given = 0;

    Serving& add(std::uint32_t open = 0) {
        servings.push_back(std::make_unique<Serving>());
        servings.back()->number = servings.size();
        servings.back()->open = open;
        ready.add(*servings.back());
        return *servings.back();
    }
    // As a request does.
    std::uint64_t give() {
        Serving& first = ready.first();
        ++first.open;
        first.last_given = ++given;
        ready.moved(first);
        return first.number;
    }
};

}  // namespace

TEST_CASE_FIXTURE(WheelFixture, "broker/request_wheel: never early, and late by one tick at most") {
    std::mt19937_64 random(7);
    std::map<std::uint32_t, std::int64_t> due;
    std::int64_t now = 0;
    for (std::uint32_t id = 0; id < 400; ++id) {
        // Up to four times round the wheel.
        due[id] = static_cast<std::int64_t>(random() % (270'000 * kMs));
        wheel.add(id, MonoNanos(due[id]));
    }
    // Some are taken back.
    for (std::uint32_t id = 0; id < 400; id += 7) {
        wheel.remove(id);
        wheel.remove(id);
        due.erase(id);
    }
    CHECK(wheel.size() == due.size());
    while (!due.empty()) {
        const auto next = wheel.next();
        REQUIRE(next);
        REQUIRE(next->value() > now);
        now = next->value();
        for (const std::uint32_t id : expired_at(now)) {
            REQUIRE(due.contains(id));
            CHECK(due[id] <= now);
            CHECK(now - due[id] <= kTick);
            due.erase(id);
        }
        for (const auto& [id, at] : due)
            CHECK(at + kTick >= now);
    }
    CHECK_FALSE(wheel.next());
}

TEST_CASE_FIXTURE(
    WheelFixture,
    "broker/request_wheel: after a long pause everything that is due is found at once") {
    wheel.add(1, MonoNanos(50 * kMs));
    wheel.add(2, MonoNanos(100'000 * kMs));
    wheel.add(3, MonoNanos(900'000 * kMs));
    CHECK(expired_at(800'000 * kMs) == std::vector<std::uint32_t>{1, 2});
    wheel.add(4, MonoNanos(1));  // long over
    CHECK(expired_at(800'000 * kMs + kTick) == std::vector<std::uint32_t>{4});
    CHECK(expired_at(901'000 * kMs) == std::vector<std::uint32_t>{3});
}

TEST_CASE_FIXTURE(
    WheelFixture,
    "broker/request_wheel: who is told may take others back, due ones too, and add new ones") {
    for (std::uint32_t id = 0; id < 10; ++id)
        wheel.add(id, MonoNanos(5 * kMs));
    std::vector<std::uint32_t> told;
    wheel.expire(MonoNanos(50 * kMs), [&](std::uint32_t id) {
        told.push_back(id);
        for (std::uint32_t other = 0; other < 10; ++other)
            if (other != id && other % 2 == id % 2) wheel.remove(other);
        wheel.add(100 + id, MonoNanos(5 * kMs));
    });
    CHECK(told.size() == 2);
    CHECK(wheel.size() == 2);
    CHECK(expired_at(50 * kMs + 2 * kTick).size() == 2);
}

TEST_CASE_FIXTURE(
    HeapFixture,
    "broker/request_ready: the least open first, of equals who was given something longest ago") {
    Serving& a = add();
    add();
    add();
    CHECK(give() == 1);
    CHECK(give() == 2);
    CHECK(give() == 3);
    CHECK(give() == 1);
    --a.open;
    --a.open;
    ready.moved(a);
    CHECK(give() == 1);
    CHECK(give() == 2);  // all have one; it has waited longest
}

TEST_CASE_FIXTURE(HeapFixture,
                  "broker/request_ready: as a sorted list would have it, whatever comes and goes") {
    std::mt19937_64 random(11);
    for (int i = 0; i < 40; ++i)
        add(static_cast<std::uint32_t>(random() % 5));
    for (int step = 0; step < 5000; ++step) {
        Serving& one = *servings[random() % servings.size()];
        switch (random() % 4) {
            case 0:
                if (ReadyServings::holds(one)) ready.remove(one);
                break;
            case 1:
                if (!ReadyServings::holds(one)) ready.add(one);
                break;
            case 2:
                if (one.open > 0) --one.open;
                if (ReadyServings::holds(one)) ready.moved(one);
                break;
            default:
                if (!ready.empty()) give();
        }
        const Serving* best = nullptr;
        for (const auto& serving : servings)
            if (ReadyServings::holds(*serving) &&
                (best == nullptr || std::pair(serving->open, serving->last_given) <
                                        std::pair(best->open, best->last_given)))
                best = serving.get();
        REQUIRE(ready.empty() == (best == nullptr));
        if (best != nullptr)
            REQUIRE(std::pair(ready.first().open, ready.first().last_given) ==
                    std::pair(best->open, best->last_given));
    }
}

TEST_CASE(
    "broker/request_waiting: by lane, in order, and one in so many for a lane that is passed "
    "over") {
    WaitingRequests waiting;
    for (std::uint32_t i = 0; i < 6; ++i)
        waiting.add(Lane::critical, {i, {}});
    waiting.add(Lane::low, {100, {}});
    const auto gone = waiting.add(Lane::normal, {50, {}});
    waiting.add(Lane::normal, {51, {}});
    waiting.remove(Lane::normal, gone);
    CHECK(waiting.size() == 8);
    std::vector<std::uint32_t> order;
    while (!waiting.empty())
        order.push_back(waiting.take({.starvation_bound = 3}).slot);
    CHECK(order == std::vector<std::uint32_t>{0, 1, 100, 51, 2, 3, 4, 5});
}

TEST_CASE("broker/request_slots: a number means one call only, also when its slot is used again") {
    RequestSlots slots;
    Serving serving{};
    const auto id = slots.take();
    slots[id].state = RequestSlot::State::open;
    slots.link(id, serving);
    const auto call = slots.call_number(id);
    CHECK(call != 0);
    CHECK(slots.find(call) == id);
    CHECK(slots.find(0) == RequestSlots::kNone);
    CHECK(slots.find(call + 1) == RequestSlots::kNone);
    CHECK(slots.find(call + (std::uint64_t{1} << 32)) == RequestSlots::kNone);
    slots.unlink(id);
    slots.give_back(id);
    CHECK(slots.find(call) == RequestSlots::kNone);
    CHECK(slots.take() == id);
    slots[id].state = RequestSlot::State::open;
    CHECK(slots.find(call) == RequestSlots::kNone);
    CHECK(slots.find(slots.call_number(id)) == id);
    CHECK(slots.size() == 1);
}

TEST_CASE("broker/request_slots: what a responder has is a list that any of it can leave") {
    RequestSlots slots;
    Serving serving{};
    std::vector<std::uint32_t> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(slots.take());
        slots[ids.back()].state = RequestSlot::State::open;
        slots.link(ids.back(), serving);
    }
    for (const int i : {2, 0, 4})
        slots.unlink(ids[static_cast<std::size_t>(i)]);
    CHECK(serving.open == 2);
    std::set<std::uint32_t> left;
    for (auto id = serving.first_open; id != RequestSlots::kNone; id = slots[id].next_open)
        left.insert(id);
    CHECK(left == std::set<std::uint32_t>{ids[1], ids[3]});
}

TEST_CASE("broker/brief_wait: is given up when it does not pay, and tried again now and then") {
    ring::BriefWait wait;
    int waits = 0;
    for (int i = 0; i < 640; ++i)
        if (wait.is_worth_it()) {
            ++waits;
            wait.record(false);
        }
    CHECK(waits <= 11);
    waits = 0;
    for (int i = 0; i < 640; ++i)
        if (wait.is_worth_it()) {
            ++waits;
            wait.record(true);
        }
    CHECK(waits > 500);
}
