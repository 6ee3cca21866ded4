// The proofs that every peer of casc-bench compare goes through, with clients that have no server.

#include "drive.hpp"

#include "payload.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace casc::bench::compare;
using casc::bench::head_of;
using casc::bench::PayloadHead;

namespace {

using Bytes = std::vector<std::byte>;

// What lies between writers and a reader. The event that `at` counts to comes `times` often.
class Pipe {
public:
    Pipe() = default;
    Pipe(std::uint64_t at, int times) : fault_at_(at), fault_times_(times) {}

    void put(std::span<const std::byte> payload) {
        const std::lock_guard lock(mutex_);
        const int times = put_++ == fault_at_ ? fault_times_ : 1;
        for (int i = 0; i < times; ++i)
            events_.emplace_back(payload.begin(), payload.end());
        there_is_more_.notify_one();
    }
    // When nobody puts any more.
    std::uint64_t put_count() const { return put_; }
    std::deque<Bytes> take_all() {
        std::unique_lock lock(mutex_);
        // It also returns when nothing comes, as a connection does.
        there_is_more_.wait_for(lock, std::chrono::milliseconds(10),
                                [&] { return !events_.empty(); });
        return std::exchange(events_, {});
    }

private:
    const std::uint64_t fault_at_ = ~std::uint64_t{0};
    const int fault_times_ = 1;
    std::mutex mutex_;
    std::condition_variable there_is_more_;
    std::uint64_t put_ = 0;
    std::deque<Bytes> events_;
};

// Puts each event into the pipe, if there is one, and acknowledges it when asked.
class FakeWriter final : public Writer {
public:
    explicit FakeWriter(Pipe* pipe) : pipe_(pipe) {}
    std::uint64_t block_events() const override { return 10; }
    std::uint64_t window_events() const override { return 20; }
    void put(std::span<const std::byte> payload) override {
        heads.push_back(head_of(payload));
        if (pipe_ != nullptr) pipe_->put(payload);
    }
    void send() override { sent_ = heads.size(); }
    std::uint64_t wait() override {
        if (refuses) throw std::runtime_error("refused");
        return poll();
    }
    std::uint64_t poll() override { return sent_ - std::exchange(acknowledged_, sent_); }

    std::vector<PayloadHead> heads;
    bool refuses = false;

private:
    Pipe* const pipe_;
    std::uint64_t sent_ = 0;
    std::uint64_t acknowledged_ = 0;
};

class FakeReader final : public Reader {
public:
    explicit FakeReader(Pipe& pipe) : pipe_(pipe) {}
    void receive(const Take& take) override {
        for (const Bytes& event : pipe_.take_all())
            take(event);
    }

private:
    Pipe& pipe_;
};

constexpr std::chrono::milliseconds kMoment{20};
constexpr std::uint32_t kWriters = 4;

std::vector<std::unique_ptr<Writer>> fake_writers(Pipe* pipe) {
    std::vector<std::unique_ptr<Writer>> writers;
    for (std::uint32_t i = 0; i < kWriters; ++i)
        writers.push_back(std::make_unique<FakeWriter>(pipe));
    return writers;
}

const FakeWriter& fake(const std::unique_ptr<Writer>& writer) {
    return dynamic_cast<const FakeWriter&>(*writer);
}

// From kWriters through `pipe` to one.
Sample fan_in(Pipe& pipe) {
    std::vector<std::unique_ptr<Reader>> readers;
    readers.push_back(std::make_unique<FakeReader>(pipe));
    return drive_volatile(
        fake_writers(&pipe), readers,
        {.question = Question::volatile_, .duration = kMoment, .producer_count = kWriters});
}

}  // namespace

TEST_CASE("bench/drive: each of several producers numbers its own events, and all count") {
    const auto writers = fake_writers(nullptr);
    std::uint64_t sent = 0;
    const Case asked{.duration = kMoment, .producer_count = kWriters};
    static_cast<void>(drive_produce(writers, asked, sent));
    std::uint64_t put = 0;
    for (std::uint32_t i = 0; i < kWriters; ++i) {
        const auto& heads = fake(writers[i]).heads;
        put += heads.size();
        REQUIRE_FALSE(heads.empty());
        bool in_order = true;
        for (std::uint64_t at = 0; at < heads.size(); ++at)
            in_order = in_order && heads[at].producer == i && heads[at].sequence == at;
        CHECK(in_order);
    }
    CHECK(sent == put);
}

TEST_CASE("bench/drive: what one of several producers is refused fails the run") {
    const auto writers = fake_writers(nullptr);
    dynamic_cast<FakeWriter&>(*writers[2]).refuses = true;
    std::uint64_t sent = 0;
    const Case asked{.duration = kMoment, .producer_count = kWriters};
    CHECK_THROWS_WITH(static_cast<void>(drive_produce(writers, asked, sent)), "refused");
}

TEST_CASE("bench/drive: events of several producers are in order, each producer's by itself") {
    Pipe pipe;
    CHECK_NOTHROW(static_cast<void>(fan_in(pipe)));
    CHECK(pipe.put_count() > 0);
}

TEST_CASE("bench/drive: one event of one producer that is lost or doubled fails the run") {
    for (const int times : {0, 2}) {
        Pipe pipe(5, times);
        CHECK_THROWS_WITH_AS(static_cast<void>(fan_in(pipe)), doctest::Contains("misplaced"),
                             std::runtime_error);
    }
}
