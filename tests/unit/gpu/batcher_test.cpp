// When a batch leaves and who is in it, at made-up times and under made-up loads.

#include "batch_simulator.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <set>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;
using casc::gpu::Batcher;
using casc::gpu::BatchPolicy;
using casc::gpu::Device;
using casc::gpu::FireReason;
using casc::gpu::WaitingRequest;

namespace {

struct BatcherFixture {
    Batcher batcher;
    MonoNanos now{1'000'000'000};
    gpu::RequestId last_id = 0;

    explicit BatcherFixture(const BatchPolicy& policy = {}) : batcher(policy) {}

    Result<void> offer(Lane lane = Lane::normal, std::chrono::nanoseconds time_to_live = 0s,
                       std::uint32_t tokens = 1) {
        return batcher.offer(
            {.id = ++last_id,
             .lane = lane,
             .tokens = tokens,
             .arrived = now,
             .deadline = time_to_live == 0s ? gpu::kNoDeadline : now + time_to_live});
    }
    void offer_many(std::size_t count, Lane lane = Lane::normal) {
        for (std::size_t i = 0; i < count; ++i)
            REQUIRE(offer(lane));
    }
    std::optional<FireReason> fires(Device device = Device::idle) {
        return batcher.plan(now, device).fires;
    }
    // Lanes of the next batch, as a text: "0022".
    std::string lanes() {
        std::vector<WaitingRequest> batch;
        batcher.take_batch(batch);
        std::string text;
        for (const WaitingRequest& request : batch)
            text += std::to_string(static_cast<int>(request.lane));
        return text;
    }
    void let_pass(std::chrono::nanoseconds time) { now = now + time; }
    // Both sizes take the same, so that company costs nothing.
    void learn(std::chrono::nanoseconds step) {
        for (const std::size_t size : {1u, 2u, 4u, 8u, 16u, 32u})
            batcher.finished(size, step);
    }
};

std::size_t count_of(const std::string& text, char digit) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), digit));
}

}  // namespace

// ---- when ---------------------------------------------------------------------------------------

TEST_CASE("gpu/batcher: nobody in line is no batch, and a busy device gets none") {
    BatcherFixture f;
    CHECK_FALSE(f.fires());
    f.offer_many(32);
    CHECK_FALSE(f.fires(Device::busy));
    CHECK(f.fires() == FireReason::size);
    CHECK(f.fires(Device::takes_another) == FireReason::size);
}

TEST_CASE("gpu/batcher: a quiet model answers at once") {
    BatcherFixture f;
    REQUIRE(f.offer());
    CHECK(f.fires() == FireReason::idle);
    CHECK(f.lanes() == "2");
    f.learn(10ms);
    f.let_pass(1s);
    REQUIRE(f.offer());
    CHECK(f.fires() == FireReason::idle);
}

TEST_CASE(
    "gpu/batcher: a busy model waits for as many as are worth it, and not for who does not come") {
    BatcherFixture f;
    f.learn(10ms);
    // One a millisecond: the next one is worth a wait while 1 ms < 10 ms / (n + 1).
    for (int i = 0; i < 9; ++i) {
        REQUIRE(f.offer());
        CHECK_FALSE(f.fires(Device::busy));
        if (i < 8) f.let_pass(1ms);
    }
    CHECK(f.fires() == FireReason::idle);  // nine of them: a tenth is not
    f.lanes();
    REQUIRE(f.offer());
    CHECK_FALSE(f.fires());
    const auto again = f.batcher.plan(f.now, Device::idle).look_again;
    CHECK(again == f.now + 5ms);  // 10 ms / 2
    f.now = again;
    CHECK(f.fires() == FireReason::idle);
}

TEST_CASE("gpu/batcher: while the device is at work a batch waits for company, up to max_wait") {
    BatcherFixture f({.max_wait = 20ms});
    REQUIRE(f.offer());
    const auto plan = f.batcher.plan(f.now, Device::takes_another);
    CHECK_FALSE(plan.fires);
    CHECK(plan.look_again == f.now + 20ms);
    f.let_pass(20ms);
    CHECK(f.fires(Device::takes_another) == FireReason::timer);
}

TEST_CASE("gpu/batcher: a deadline that comes near sends the batch off in time for a step") {
    BatcherFixture f({.max_wait = 1s});
    f.learn(10ms);
    REQUIRE(f.offer(Lane::normal, 50ms));
    const auto plan = f.batcher.plan(f.now, Device::takes_another);
    CHECK_FALSE(plan.fires);
    CHECK(plan.look_again == f.now + 38ms);  // 50 ms less 1.2 steps
    f.now = plan.look_again;
    CHECK(f.fires(Device::takes_another) == FireReason::deadline);
}

TEST_CASE("gpu/batcher: as many tokens as a batch may have are a full batch") {
    BatcherFixture f({.tokens_max = 100});
    f.learn(10ms);
    for (int i = 0; i < 3; ++i)
        REQUIRE(f.offer(Lane::normal, 0s, 40));
    CHECK(f.fires(Device::takes_another) == FireReason::tokens);
    CHECK(f.lanes() == "22");
    CHECK(f.lanes() == "2");
    const auto refused = f.offer(Lane::normal, 0s, 101);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_request);
    CHECK(f.batcher.waiting().empty());
}

// ---- who ----------------------------------------------------------------------------------------

TEST_CASE("gpu/batcher: urgent lanes go first, in their order, and an eighth goes to the others") {
    BatcherFixture f;
    f.offer_many(40, Lane::low);
    f.offer_many(80, Lane::critical);
    CHECK(f.lanes() == std::string(32, '0'));
    CHECK(f.lanes() == std::string(28, '0') + std::string(4, '3'));
    CHECK(f.lanes() == std::string(20, '0') + std::string(12, '3'));  // none is kept from anybody
}

TEST_CASE("gpu/batcher: what goes to others is an eighth also where tokens keep batches small") {
    // What was kept for them was once an eighth of what the batch could have been, and they went
    // first: nobody urgent had a turn.
    BatcherFixture f({.tokens_max = 40});
    for (int i = 0; i < 40; ++i) {
        REQUIRE(f.offer(Lane::low, 0s, 20));
        REQUIRE(f.offer(Lane::critical, 0s, 20));
    }
    std::string order;
    for (int i = 0; i < 20; ++i)
        order += f.lanes();
    CHECK(order.size() == 40);
    CHECK(count_of(order, '3') == 4);
}

TEST_CASE("gpu/batcher: what is kept goes to the lane whose first one has waited longest") {
    BatcherFixture f({.max_batch = 8});
    f.offer_many(4, Lane::low);
    f.let_pass(1ms);
    f.offer_many(4, Lane::high);
    f.offer_many(40, Lane::critical);
    CHECK(f.lanes() == "00000000");
    std::string below;
    for (int i = 0; i < 4; ++i)
        below += f.lanes().back();
    CHECK(below == "3333");
}

TEST_CASE("gpu/batcher: no more go than there is room for, and others are not forgotten") {
    BatcherFixture f({.max_batch = 8});
    f.offer_many(4, Lane::high);
    f.offer_many(4, Lane::low);
    std::vector<WaitingRequest> batch;
    std::string order;
    for (const std::size_t most : {3u, 0u, 1u, 20u}) {
        f.batcher.take_batch(batch, most);
        CHECK(batch.size() <= most);
        for (const WaitingRequest& request : batch)
            order += std::to_string(static_cast<int>(request.lane));
    }
    CHECK(order == "11113333");
    CHECK(f.batcher.check_room(Lane::low));
}

TEST_CASE("gpu/batcher: who would make the waiting tokens too many is told when to come again") {
    BatcherFixture f({.queue_tokens_max = 100});
    f.learn(10ms);
    REQUIRE(f.offer(Lane::normal, 0s, 60));
    REQUIRE(f.offer(Lane::low, 0s, 40));
    const auto refused = f.offer(Lane::high, 0s, 1);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::model_overloaded);
    CHECK(refused.error().retry_after_ms == 10);
    CHECK(f.batcher.cancel(1));
    CHECK(f.offer(Lane::high, 0s, 60));
}

TEST_CASE("gpu/batcher: who has more tokens than may wait is not told to come again") {
    BatcherFixture f({.queue_tokens_max = 100});
    const auto refused = f.offer(Lane::normal, 0s, 101);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::invalid_request);
    CHECK(refused.error().retry_after_ms == 0);
    CHECK(f.offer(Lane::normal, 0s, 100));
}

TEST_CASE("gpu/batcher: batches of one are shared as larger ones are") {
    BatcherFixture f({.max_batch = 1});
    f.offer_many(100, Lane::critical);
    f.offer_many(100, Lane::normal);
    std::string order;
    for (int i = 0; i < 80; ++i)
        order += f.lanes();
    CHECK(count_of(order, '2') == 9);
    CHECK(order.substr(0, 9) == "000000002");
}

TEST_CASE("gpu/batcher: who is cancelled, and whose time is over, is in no batch") {
    BatcherFixture f;
    f.offer_many(3);
    REQUIRE(f.offer(Lane::high, 5ms));
    CHECK(f.batcher.cancel(2));
    CHECK_FALSE(f.batcher.cancel(2));
    CHECK_FALSE(f.batcher.next_expired(f.now));
    f.let_pass(5ms);
    const auto expired = f.batcher.next_expired(f.now);
    REQUIRE(expired);
    CHECK(expired->id == 4);
    CHECK_FALSE(f.batcher.next_expired(f.now));
    std::vector<WaitingRequest> batch;
    f.batcher.take_batch(batch);
    REQUIRE(batch.size() == 2);
    CHECK(batch[0].id == 1);
    CHECK(batch[1].id == 3);
}

TEST_CASE("gpu/batcher: the tokens of who has left fill no batch") {
    BatcherFixture f({.tokens_max = 100});
    f.learn(10ms);
    REQUIRE(f.offer(Lane::normal, 0s, 60));
    REQUIRE(f.batcher.cancel(1));
    REQUIRE(f.offer(Lane::normal, 1ms, 60));
    f.let_pass(1ms);
    REQUIRE(f.batcher.next_expired(f.now));
    REQUIRE(f.offer(Lane::normal, 0s, 60));
    CHECK_FALSE(f.fires(Device::takes_another));
}

TEST_CASE(
    "gpu/batcher: a full lane refuses with the time after which there is room, and others do not") {
    BatcherFixture f({.max_batch = 4, .queue_capacity = 8});
    f.learn(10ms);
    f.offer_many(8);
    const auto refused = f.offer();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::model_overloaded);
    CHECK(refused.error().retry_after_ms == 30);  // three batches of four
    CHECK(f.offer(Lane::critical));
    const auto twice = f.batcher.offer({.id = 1, .lane = Lane::high, .arrived = f.now});
    REQUIRE_FALSE(twice);
    CHECK(twice.error().code == ErrorCode::invalid_request);
}

// ---- what is learned ----------------------------------------------------------------------------

TEST_CASE(
    "gpu/batcher: batches that take too long get smaller, and grow again when there is time") {
    BatcherFixture f({.max_batch = 32, .step_objective = 20ms});
    f.batcher.finished(32, 25ms);
    CHECK(f.batcher.size_limit() == 28);
    for (int i = 0; i < 8; ++i)
        f.batcher.finished(28, 15ms);
    CHECK(f.batcher.size_limit() == 29);
    for (int i = 0; i < 100; ++i)
        f.batcher.finished(5, 15ms);  // says nothing of larger ones
    CHECK(f.batcher.size_limit() == 29);
    for (int i = 0; i < 100; ++i)
        f.batcher.finished(f.batcher.size_limit(), 1s);
    CHECK(f.batcher.size_limit() == 1);
}

TEST_CASE("gpu/batcher: a slow batch larger than the limit has been answered for already") {
    BatcherFixture f({.max_batch = 32, .step_objective = 20ms});
    for (int i = 0; i < 100; ++i)
        f.batcher.finished(32, 25ms);
    CHECK(f.batcher.size_limit() == 28);
    f.batcher.finished(28, 25ms);
    CHECK(f.batcher.size_limit() == 25);
}

TEST_CASE("gpu/batcher: policies that make no sense are refused") {
    CHECK(BatchPolicy{}.check());
    const auto refused = [](const BatchPolicy& policy) {
        const auto checked = policy.check();
        return !checked && checked.error().code == ErrorCode::invalid_config;
    };
    CHECK(refused({.max_batch = 0}));
    CHECK(refused({.max_wait = -1ns}));
    CHECK(refused({.max_wait = 2min}));
    CHECK(refused({.max_batch = 32, .queue_capacity = 31}));
    CHECK(refused({.queue_capacity = 1'000'001}));
    CHECK(refused({.step_objective = -1ns}));
    CHECK(refused({.step_objective = 2min}));
    CHECK(refused({.starvation_share = 1}));
}

// ---- under load ---------------------------------------------------------------------------------

TEST_CASE(
    "gpu/batcher: whatever the load, it is as quick as the better of firing at once and waiting") {
    for (const double per_second : {5.0, 50.0, 150.0, 300.0, 500.0, 700.0}) {
        CAPTURE(per_second);
        const auto run = [&](const FiresWhen& fires) {
            return BatchSimulator({.max_wait = 100ms}, {}, {.per_second = per_second}, 1)
                .run(fires);
        };
        const SimulatedRun planned = run(as_planned);
        const SimulatedRun greedy = run(at_once);
        const SimulatedRun waiting = run(after(100ms, 32));
        MESSAGE(per_second << "/s  " << planned.histograms());
        MESSAGE("mean latency, ms: planned "
                << SimulatedRun::mean(planned.latency_ms) << ", at once "
                << SimulatedRun::mean(greedy.latency_ms) << ", after 100 ms "
                << SimulatedRun::mean(waiting.latency_ms));
        CHECK(planned.served == 2000);
        CHECK(SimulatedRun::mean(planned.latency_ms) <=
              1.02 * std::min(SimulatedRun::mean(greedy.latency_ms),
                              SimulatedRun::mean(waiting.latency_ms)));
        CHECK(SimulatedRun::percentile(planned.latency_ms, 0.99) <=
              1.1 * SimulatedRun::percentile(greedy.latency_ms, 0.99));
        CHECK(planned.longest_idle_wait_ms <= 100);
    }
}

namespace {

// Who goes in which order, and whether anybody is forgotten.
class FairnessOracle {
public:
    explicit FairnessOracle(const BatchPolicy& policy) : policy_(policy) {}

    void look(const std::vector<WaitingRequest>& batch, const gpu::LaneQueues& left) {
        CHECK(batch.size() <= policy_.max_batch);
        std::uint64_t tokens = 0;
        for (const WaitingRequest& request : batch) {
            tokens += request.tokens;
            CHECK(seen_.insert(request.id).second);
            auto& last = last_of_lane_[static_cast<std::size_t>(request.lane)];
            CHECK(request.arrived > last);  // first come, first served
            last = request.arrived;
        }
        if (policy_.tokens_max != 0) CHECK(tokens <= policy_.tokens_max);
        look_at_priority(batch, left);
    }
    [[nodiscard]] double share_below() const {
        return static_cast<double>(below_) / static_cast<double>(contended_);
    }

private:
    // Of batches for which some of the most urgent ones had to stay behind, others waiting too.
    void look_at_priority(const std::vector<WaitingRequest>& batch, const gpu::LaneQueues& left) {
        const auto waits = [&](Lane lane) { return left.front(lane) != nullptr; };
        const auto urgent = std::ranges::find_if(kLanes, waits);
        if (urgent == kLanes.end() || *urgent > batch.front().lane) return;
        const Lane top = *urgent;
        const auto is_below = [&](Lane lane) { return lane > top && waits(lane); };
        if (std::ranges::none_of(kLanes, is_below)) return;
        contended_ += batch.size();
        below_ += static_cast<std::size_t>(std::ranges::count_if(
            batch, [&](const WaitingRequest& request) { return request.lane > top; }));
    }

    const BatchPolicy policy_;
    std::set<gpu::RequestId> seen_;
    std::array<MonoNanos, kLaneCount> last_of_lane_{};
    std::size_t contended_ = 0;
    std::size_t below_ = 0;
};

}  // namespace

TEST_CASE(
    "gpu/batcher: under a flood nobody is lost, doubled or overtaken in its lane, and lanes "
    "share") {
    const char* given = std::getenv("CASC_TEST_SEED");
    const auto first = given != nullptr ? static_cast<unsigned>(std::atol(given)) : 1u;
    for (unsigned seed = first; seed < first + (given != nullptr ? 1u : 20u); ++seed) {
        INFO("seed " << seed << " (CASC_TEST_SEED repeats it)");
        const BatchPolicy policy{.max_batch = 1 + seed % 32,
                                 .queue_capacity = 256,
                                 .tokens_max = seed % 3 == 0 ? 40u : 0u};
        FairnessOracle oracle(policy);
        const SimulatedLoad load{.per_second = 2000,
                                 .lanes = {3, 1, 1, 3},
                                 .time_to_live = seed % 2 == 0 ? 500ms : 0ms,
                                 .tokens_max = seed % 3 == 0 ? 20u : 1u};
        const SimulatedRun run = BatchSimulator(policy, {}, load, seed)
                                     .run(as_planned, [&](const auto& batch, const auto& left) {
                                         oracle.look(batch, left);
                                     });
        CHECK(run.served + run.expired + run.refused == load.requests);
        CHECK(run.served > 0);
        CHECK(oracle.share_below() > 0.5 / 8);
        CHECK(oracle.share_below() < 1.5 / 8);
    }
}
