// ZeroMQ: a library and no broker. What is sent goes from one side to the other; only requests go
// through a proxy, so that neither side knows the other, as with a broker.

#include "drive.hpp"
#include "peers.hpp"
#include "timed_sample.hpp"
#include "volatile_case.hpp"
#include "zeromq_sockets.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace casc::bench::compare {
namespace {

constexpr int kZeroMqTickMs = 50;

void send_payload(ZeroMqSocket& socket, std::span<const std::byte> payload) {
    while (zmq_send(socket.raw(), payload.data(), payload.size(), 0) < 0)
        if (zmq_errno() != EAGAIN && zmq_errno() != EINTR) fail_in_zeromq("sending");
}

// One message, waited for with `flags` 0 and up to the socket's time. False: none.
template <class Take>
bool receive_payload(ZeroMqSocket& socket, int flags, Take&& take) {
    zmq_msg_t message;
    zmq_msg_init(&message);
    const bool has_come = zmq_msg_recv(&message, socket.raw(), flags) >= 0;
    if (has_come)
        take(std::span(static_cast<const std::byte*>(zmq_msg_data(&message)),
                       zmq_msg_size(&message)));
    zmq_msg_close(&message);
    return has_come;
}

// A message is on its way when it is handed over; nobody acknowledges.
class PushWriter final : public Writer {
public:
    explicit PushWriter(const std::string& to) : socket_(context_, ZMQ_PUSH) {
        socket_.connect(to);
    }
    std::uint64_t block_events() const override { return 1; }
    std::uint64_t window_events() const override { return ~std::uint64_t{0}; }
    void put(std::span<const std::byte> payload) override { send_payload(socket_, payload); }
    void send() override {}
    std::uint64_t wait() override { throw std::logic_error("ZeroMQ acknowledges nothing"); }
    std::uint64_t poll() override { return 0; }

private:
    ZeroMqContext context_;
    ZeroMqSocket socket_;
};

class ZeroMqPullReader final : public Reader {
public:
    ZeroMqPullReader() : socket_(context_, ZMQ_PULL) { socket_.set(ZMQ_RCVTIMEO, kZeroMqTickMs); }
    std::string bind() { return socket_.bind(); }
    void receive(const Take& take) override { receive_payload(socket_, 0, take); }

private:
    ZeroMqContext context_;
    ZeroMqSocket socket_;
};

// One end of the requests: a DEALER that is connected to the proxy. Those that come through a
// ROUTER begin with who has asked, which the answer gives back.
class DealerRequester final : public Requester {
public:
    explicit DealerRequester(const std::string& proxy) : socket_(context_, ZMQ_DEALER) {
        socket_.set(ZMQ_RCVTIMEO, kZeroMqTickMs);
        socket_.connect(proxy);
    }
    void put(std::span<const std::byte> payload) override { send_payload(socket_, payload); }
    void send() override {}
    void receive(const Take& take) override {
        for (int flags = 0; receive_payload(socket_, flags, take); flags = ZMQ_DONTWAIT) {
        }
    }

private:
    ZeroMqContext context_;
    ZeroMqSocket socket_;
};

class DealerResponder final : public Responder {
public:
    explicit DealerResponder(const std::string& proxy) : socket_(context_, ZMQ_DEALER) {
        socket_.set(ZMQ_RCVTIMEO, kZeroMqTickMs);
        socket_.connect(proxy);
    }
    void serve() override {
        zmq_msg_t who;
        zmq_msg_init(&who);
        for (int flags = 0; zmq_msg_recv(&who, socket_.raw(), flags) >= 0; flags = ZMQ_DONTWAIT) {
            if (zmq_msg_send(&who, socket_.raw(), ZMQ_SNDMORE) < 0) fail_in_zeromq("answering");
            receive_payload(socket_, 0, [&](std::span<const std::byte> request) {
                send_payload(socket_, request);
            });
        }
        zmq_msg_close(&who);
    }

private:
    ZeroMqContext context_;
    ZeroMqSocket socket_;
};

// ROUTER to DEALER on a thread of its own, until it goes.
class Proxy {
public:
    Proxy()
        : front_(context_, ZMQ_ROUTER),
          back_(context_, ZMQ_DEALER),
          ending_(context_, ZMQ_PAIR),
          ended_(context_, ZMQ_PAIR),
          front_address_(front_.bind()),
          back_address_(back_.bind()) {
        ended_.connect(ending_.bind());
        thread_ = std::thread(
            [this] { zmq_proxy_steerable(front_.raw(), back_.raw(), nullptr, ending_.raw()); });
    }
    ~Proxy() {
        constexpr std::string_view kEnd = "TERMINATE";
        zmq_send(ended_.raw(), kEnd.data(), kEnd.size(), 0);
        thread_.join();
    }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    [[nodiscard]] const std::string& front_address() const { return front_address_; }
    [[nodiscard]] const std::string& back_address() const { return back_address_; }

private:
    ZeroMqContext context_;
    ZeroMqSocket front_;
    ZeroMqSocket back_;
    ZeroMqSocket ending_;
    ZeroMqSocket ended_;
    const std::string front_address_;
    const std::string back_address_;
    std::thread thread_;
};

Sample run_volatile(const Case& asked) {
    const VolatileOutcome outcome = run_zeromq(volatile_plan_of(asked));
    if (outcome.misplaced_count > 0)
        throw std::runtime_error(std::to_string(outcome.misplaced_count) + " events misplaced");
    return timed_sample(outcome.events_per_second, outcome.latency_ns);
}

Terms volatile_terms(const Case& asked) {
    if (asked.width > 1)
        return {"kept nowhere, no broker; dropped for who is too slow (here nobody is)",
                "PUB to SUB, window 1 MiB"};
    if (asked.producer_count > 1)
        return {"kept nowhere, no broker; the producers wait",
                std::to_string(asked.producer_count) +
                    " PUSH to a PULL, high-water marks of 8 MiB there and over all PUSH"};
    return {"kept nowhere, no broker; the producer waits",
            "PUSH to PULL, high-water marks of 8 MiB"};
}

class ZeroMqPeer final : public Contestant {
public:
    std::string name() const override { return "zeromq"; }
    std::string package() const override { return {}; }  // it is linked
    std::string version() const override {
        int major = 0;
        int minor = 0;
        int patch = 0;
        zmq_version(&major, &minor, &patch);
        return std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
    }
    std::optional<Terms> terms(const Case& asked) const override {
        switch (asked.question) {
            case Question::e2e:
                return Terms{"kept nowhere, and no broker between the two",
                             "PUSH to PULL, a context each"};
            case Question::request:
                return Terms{"kept nowhere; who asked waits for ever when nobody answers",
                             "DEALER, proxy (ROUTER, DEALER) on a thread of its own, DEALER"};
            case Question::volatile_:
                return volatile_terms(asked);
            default:
                return {};
        }
    }
    void start(const std::filesystem::path&, const Case&) override {}
    Sample run(const Case& asked) override {
        if (asked.question == Question::volatile_) return run_volatile(asked);
        if (asked.question == Question::e2e) {
            ZeroMqPullReader reader;
            PushWriter writer(reader.bind());
            return drive_e2e(writer, reader, asked);
        }
        const Proxy proxy;
        DealerResponder responder(proxy.back_address());
        DealerRequester requester(proxy.front_address());
        return drive_request(requester, responder, asked);
    }
    void stop() noexcept override {}
};

}  // namespace

std::unique_ptr<Contestant> make_zeromq() {
    return std::make_unique<ZeroMqPeer>();
}

}  // namespace casc::bench::compare
