// `produce`: each writer a connection and a thread, blocks of events, as many on their way as the
// window allows.

#include "crew.hpp"
#include "drive.hpp"
#include "histogram.hpp"
#include "payload.hpp"
#include "timed_sample.hpp"

#include <algorithm>
#include <chrono>
#include <deque>

namespace casc::bench::compare {
namespace {

using Clock = std::chrono::steady_clock;

class BlockSender {
public:
    BlockSender(Writer& writer, std::size_t payload_bytes, std::uint32_t number)
        : writer_(writer), number_(number), payloads_(payload_bytes) {}

    // One more block, once there is room for it.
    void send_block(std::uint64_t events) {
        while (sent_ - acknowledged_ + events > writer_.window_events())
            note(writer_.wait());
        const auto began = Clock::now();
        for (std::uint64_t i = 0; i < events; ++i)
            writer_.put(payloads_.next({sent_++, number_, 0, 0}));
        writer_.send();
        under_way_.push_back({sent_, began});
    }
    void wait_for_all() {
        while (acknowledged_ < sent_)
            note(writer_.wait());
    }
    void begin_measuring() { is_measuring_ = true; }

    [[nodiscard]] std::uint64_t sent() const { return sent_; }
    [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
    // From the first event put into a block until its last one is acknowledged.
    [[nodiscard]] const Histogram& latency_ns() const { return latency_ns_; }

private:
    struct Block {
        std::uint64_t end;
        Clock::time_point began;
    };

    void note(std::uint64_t newly) {
        acknowledged_ += newly;
        const auto now = Clock::now();
        for (; !under_way_.empty() && under_way_.front().end <= acknowledged_;
             under_way_.pop_front()) {
            const auto took = now - under_way_.front().began;
            if (is_measuring_) latency_ns_.record(static_cast<std::uint64_t>(took.count()));
        }
    }

    Writer& writer_;
    const std::uint32_t number_;
    Payloads payloads_;
    std::uint64_t sent_ = 0;
    std::uint64_t acknowledged_ = 0;
    bool is_measuring_ = false;
    std::deque<Block> under_way_;
    Histogram latency_ns_;
};

// What one writer has done since its warm-up ended.
struct Produced {
    Clock::time_point began;
    Clock::time_point ended;
    std::uint64_t sent = 0;          // from the very start
    std::uint64_t acknowledged = 0;  // while it was measured
    Histogram latency_ns;
};

Produced produce_with(Writer& writer, const Case& asked, std::uint32_t number) {
    // The caches are warm after a fraction of a second; the memory has been touched before.
    const auto warm_up = std::min(asked.duration, std::chrono::milliseconds(1000));
    BlockSender sender(writer, asked.payload_bytes, number);
    for (const auto until = Clock::now() + warm_up; Clock::now() < until;)
        sender.send_block(writer.block_events());
    sender.begin_measuring();
    Produced produced;
    produced.began = Clock::now();
    const std::uint64_t before = sender.acknowledged();
    while (Clock::now() < produced.began + asked.duration)
        sender.send_block(writer.block_events());
    sender.wait_for_all();
    produced.ended = Clock::now();
    produced.sent = sender.sent();
    produced.acknowledged = sender.acknowledged() - before;
    produced.latency_ns = sender.latency_ns();
    return produced;
}

// From the first that began until the last that ended, so that nobody's wait is left out.
Sample summed_up(const std::vector<Produced>& all) {
    auto began = all.front().began;
    auto ended = all.front().ended;
    std::uint64_t acknowledged = 0;
    Histogram latency_ns;
    for (const Produced& one : all) {
        began = std::min(began, one.began);
        ended = std::max(ended, one.ended);
        acknowledged += one.acknowledged;
        latency_ns.merge(one.latency_ns);
    }
    const double seconds = std::chrono::duration<double>(ended - began).count();
    return timed_sample(static_cast<double>(acknowledged) / seconds, latency_ns);
}

}  // namespace

Sample drive_produce(const std::vector<std::unique_ptr<Writer>>& writers, const Case& asked,
                     std::uint64_t& sent) {
    std::vector<Produced> all(writers.size());
    Crew crew;
    for (std::uint32_t i = 0; i < writers.size(); ++i)
        crew.start([&, i] { all[i] = produce_with(*writers[i], asked, i); });
    crew.join();
    crew.rethrow();
    sent = 0;
    for (const Produced& one : all)
        sent += one.sent;
    return summed_up(all);
}

void fill(Writer& writer, const Case& asked) {
    BlockSender sender(writer, asked.payload_bytes, 0);
    for (std::uint64_t left = asked.stored_events(); left > 0;) {
        const std::uint64_t events = std::min(left, writer.block_events());
        sender.send_block(events);
        left -= events;
    }
    sender.wait_for_all();
}

}  // namespace casc::bench::compare
