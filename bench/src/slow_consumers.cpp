#include "slow_consumers.hpp"

#include "need.hpp"

#include <chrono>
#include <unistd.h>

namespace casc::bench {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlowTick{100};
constexpr milliseconds kNoWait{0};
// A measurement may be over before the first tick: consumers that took nothing were none.
constexpr milliseconds kFirstEventPatience{5000};

// Takes what is there, a little at a time, and says how many events that were.
using Take = std::function<Result<std::size_t>()>;

Take slow_reader(client::Client& client, const std::vector<std::string>& topics) {
    client::ConsumerOptions options;
    options.auto_commit = false;
    options.credit_bytes = options.deliver_bytes_max = kSlowCreditBytes;
    auto consumer =
        std::make_shared<client::Consumer>(need(client.make_consumer(options), "a slow consumer"));
    need(consumer->subscribe(topics), "a slow consumer");
    return [consumer]() -> Result<std::size_t> {
        CASC_TRY(const auto events, consumer->poll_batches(kNoWait));
        return events.size();
    };
}

Take slow_member(client::Client& client, const std::vector<std::string>& topics) {
    client::QueueOptions options;
    options.group = "slow-" + std::to_string(::getpid());
    options.topics = topics;
    options.prefetch_events = 100;
    options.prefetch_bytes = kSlowCreditBytes;
    auto member = std::make_shared<client::QueueConsumer>(
        need(client.make_queue_consumer(options), "a slow member"));
    return [member]() -> Result<std::size_t> {
        CASC_TRY(const auto events, member->poll(1, kNoWait));
        CASC_TRY_VOID(member->done(events));
        return events.size();
    };
}

Take slow_tap(client::Client& client, const std::vector<std::string>& topics) {
    client::TapOptions options;
    options.topics = topics;
    options.credit_bytes = options.deliver_bytes_max = kSlowCreditBytes;
    auto tap = std::make_shared<client::Tap>(need(client.make_tap(options), "a slow tap"));
    return [tap]() -> Result<std::size_t> {
        CASC_TRY(const auto events, tap->poll_batches(kNoWait));
        return events.size();
    };
}

Take make_slow(SlowKind kind, client::Client& client, const std::vector<std::string>& topics) {
    switch (kind) {
        case SlowKind::member:
            return slow_member(client, topics);
        case SlowKind::tap:
            return slow_tap(client, topics);
        case SlowKind::reader:
            break;
    }
    return slow_reader(client, topics);
}

}  // namespace

// Thread: serve()'s, but for `connection_lost`, which the client's sets.
struct SlowConsumers::Slow {
    std::atomic<bool> connection_lost{false};
    bool failed = false;
    std::unique_ptr<client::Client> client;
    Take take;  // of that client, which outlives it
};

SlowConsumers::SlowConsumers(const Target& target, const std::vector<std::string>& topics,
                             SlowKind kind, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        auto slow = std::make_unique<Slow>();
        client::ClientOptions options = target.client_options();
        options.on_connection = [raw = slow.get()](client::ConnectionEvent event,
                                                   const std::string&, const Error*) {
            if (event == client::ConnectionEvent::lost) raw->connection_lost = true;
        };
        slow->client = need(client::Client::connect(std::move(options)), "a slow consumer");
        slow->take = make_slow(kind, *slow->client, topics);
        all_.push_back(std::move(slow));
    }
    thread_ = std::thread([this] { serve(); });
}

SlowConsumers::~SlowConsumers() {
    stop(kNoWait);
}

void SlowConsumers::serve() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kSlowTick, [this] { return stopping_; }))
        take_from_each();
    for (milliseconds waited{0}; events_ == 0 && waited < patience_; waited += kSlowTick) {
        take_from_each();
        if (events_ == 0) wake_.wait_for(lock, kSlowTick);
    }
}

void SlowConsumers::take_from_each() {
    for (const auto& slow : all_) {
        const auto taken = slow->take();
        if (taken) {
            events_ += *taken;
            continue;
        }
        slow->failed = true;
        if (first_error_.empty()) first_error_ = taken.error().message();
    }
}

void SlowConsumers::stop(milliseconds patience) {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        patience_ = patience;
    }
    wake_.notify_one();
    thread_.join();
}

std::uint32_t SlowConsumers::count_there() {
    stop(kFirstEventPatience);
    std::uint32_t there = 0;
    for (const auto& slow : all_) {
        if (slow->connection_lost && first_error_.empty())
            first_error_ = "a slow consumer's connection was lost";
        there += slow->failed || slow->connection_lost ? 0 : 1;
    }
    return there;
}

}  // namespace casc::bench
