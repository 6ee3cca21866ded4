#include "idle_connections.hpp"

#include "need.hpp"
#include "progress.hpp"

#include <algorithm>
#include <array>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace casc::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// So many wait for their greeting at a time: fewer than a listener's queue holds.
constexpr std::size_t kGreetedAtATime = 100;
// Heartbeats that are due within this time go out together; it is nothing beside their interval.
constexpr milliseconds kBeatStep{10};
constexpr std::uint32_t kHelloId = 1;
constexpr std::uint32_t kBeatId = 2;
constexpr std::uint32_t kRollCallId = 3;

}  // namespace

IdleConnections::IdleConnections(const std::string& endpoint, std::uint32_t count) : lost_(count) {
    Progress progress("idle connections");
    while (sockets_.size() < count) {
        const std::size_t from = sockets_.size();
        const std::size_t end = std::min<std::size_t>(count, from + kGreetedAtATime);
        while (sockets_.size() < end)
            sockets_.push_back(need(FrameSocket::connect(endpoint), "an idle connection"));
        greet(from, end);
        progress.show(static_cast<double>(end) / count);
    }
    watch();
    thread_ = std::thread([this] { keep_alive(); });
}

IdleConnections::~IdleConnections() {
    stop();
    ::close(poll_);
    ::close(wake_);
}

void IdleConnections::greet(std::size_t from, std::size_t end) {
    for (std::size_t i = from; i < end; ++i)
        need(sockets_[i].send_hello(kHelloId), "greeting over an idle connection");
    for (std::size_t i = from; i < end; ++i) {
        const auto frame = need(sockets_[i].receive_answer(kHelloId, memory_),
                                "idle connection " + std::to_string(i + 1));
        const auto reply = need(wire::decode<wire::fb::HelloReply>(frame.body), "a greeting");
        gap_ = nanoseconds(milliseconds(reply.heartbeat_ms)) / lost_.size();
    }
}

void IdleConnections::watch() {
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    wake_ = ::eventfd(0, EFD_CLOEXEC);
    const auto add = [this](int descriptor, std::uint64_t number) {
        epoll_event event{.events = EPOLLIN, .data = {.u64 = number}};
        if (::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &event) != 0)
            throw std::runtime_error("epoll_ctl: cannot watch an idle connection");
    };
    add(wake_, sockets_.size());
    for (std::size_t i = 0; i < sockets_.size(); ++i)
        add(sockets_[i].descriptor(), i);
}

void IdleConnections::keep_alive() {
    next_beat_ = std::chrono::steady_clock::now() + gap_;
    while (!stopping_.load(std::memory_order_acquire)) {
        const auto now = std::chrono::steady_clock::now();
        beat(now);
        receive_ready(std::max(next_beat_, now + kBeatStep), [](std::size_t, const auto&) {});
    }
}

// One after the other, each in its turn once in the interval that the broker wants, so that they
// are spread as those of clients are that know nothing of each other.
void IdleConnections::beat(std::chrono::steady_clock::time_point now) {
    for (; next_beat_ <= now; next_beat_ += gap_, next_ = (next_ + 1) % sockets_.size()) {
        if (lost_[next_]) continue;
        if (const auto sent = sockets_[next_].send_ping(kBeatId); !sent) lose(next_, sent.error());
        ++heartbeats_;
    }
}

// Takes what has come, until `until` at the latest. Never waits for the rest of a frame: the others
// would wait with it.
void IdleConnections::receive_ready(std::chrono::steady_clock::time_point until,
                                    const Taker& take) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    std::array<epoll_event, 256> ready;
    const int count = ::epoll_wait(poll_, ready.data(), static_cast<int>(ready.size()),
                                   std::max(0, static_cast<int>(left.count())));
    for (int i = 0; i < count; ++i) {
        const std::uint64_t number = ready[static_cast<std::size_t>(i)].data.u64;
        if (number == sockets_.size()) continue;  // woken to stop
        const auto frame = sockets_[number].try_receive(memory_);
        if (!frame)
            lose(number, frame.error());
        else if (*frame)
            take(number, **frame);
    }
}

void IdleConnections::lose(std::size_t number, const Error& why) {
    if (lost_[number]) return;
    lost_[number] = true;
    ::epoll_ctl(poll_, EPOLL_CTL_DEL, sockets_[number].descriptor(), nullptr);
    if (first_error_.empty()) first_error_ = why.message();
}

void IdleConnections::stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true, std::memory_order_release);
    const std::uint64_t once = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &once, sizeof once);
    thread_.join();
    ::epoll_ctl(poll_, EPOLL_CTL_DEL, wake_, nullptr);  // it stays ready
}

void IdleConnections::call_the_roll() {
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
        if (lost_[i]) continue;
        if (const auto sent = sockets_[i].send_ping(kRollCallId); !sent) lose(i, sent.error());
    }
}

std::uint32_t IdleConnections::count_answered(nanoseconds patience) {
    stop();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    call_the_roll();
    std::vector<bool> answered(sockets_.size());
    const Taker note = [&answered](std::size_t number, const wire::Frame& frame) {
        if (frame.header.correlation_id == kRollCallId) answered[number] = true;
    };
    const auto is_waiting = [&] {
        for (std::size_t i = 0; i < sockets_.size(); ++i)
            if (!answered[i] && !lost_[i]) return true;
        return false;
    };
    while (is_waiting() && std::chrono::steady_clock::now() < deadline)
        receive_ready(deadline, note);
    const Error late(ErrorCode::connection_error, "the broker has not answered in time");
    for (std::size_t i = 0; i < sockets_.size(); ++i)
        if (!answered[i]) lose(i, late);
    return static_cast<std::uint32_t>(std::ranges::count(answered, true));
}

}  // namespace casc::bench
