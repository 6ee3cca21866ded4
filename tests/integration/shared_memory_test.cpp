// Connections through rings in shared memory: they do what a socket does, and whatever the other
// side writes there is its own connection's trouble.

#include "ring_peer.hpp"
#include "sanitizers.hpp"
#include "tapper.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>

using namespace casc;
using namespace casc::test;

namespace {

TestBrokerOptions on_unix_socket(std::vector<std::string> settings = {}) {
    TestBrokerOptions options;
    options.settings = std::move(settings);
    options.listen = {"127.0.0.1:0",
                      "unix://" + (std::filesystem::temp_directory_path() /
                                   ("casc-shm-" + std::to_string(::getpid()) + ".sock"))
                                      .string()};
    return options;
}

struct RingFixture {
    TestBroker broker;
    const std::string path = broker.endpoint(1).substr(std::string("unix://").size());
    const std::string endpoint = "shm://" + path;

    explicit RingFixture(std::vector<std::string> settings = {})
        : broker(on_unix_socket(std::move(settings))) {}

    double figure(const std::string& name) { return figure_of(broker, name); }
    bool becomes(const std::string& name, double value) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (figure(name) != value)
            if (std::chrono::steady_clock::now() > deadline) return false;
        return true;
    }
    // Of connections; the store opens and closes files of its own meanwhile.
    std::size_t open_files() const {
        const std::filesystem::path folder = "/proc/" + std::to_string(broker.pid()) + "/fd";
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            std::error_code gone;
            const std::string what = std::filesystem::read_symlink(entry, gone).string();
            count += what.starts_with("socket:") || what.find("memfd:") != std::string::npos;
        }
        return count;
    }
    // The connections that have just asked are closed a moment later.
    bool open_files_fall_to(std::size_t count) const {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (open_files() > count)
            if (std::chrono::steady_clock::now() > deadline) return false;
        return true;
    }
    bool serves() {
        RawConnection raw(broker.endpoint());
        raw.hello();
        return raw.call(fb::PingT{}).has_value();
    }
    // What the broker's log says once it has found nonsense.
    bool has_complained(std::size_t times = 1) const {
        return broker.wait_for_log("RING_CORRUPT", times);
    }
    ErrorCode why_not(const std::string& to) const {
        client::ClientOptions options;
        options.endpoints = {to};
        const auto connected = client::Client::connect(std::move(options));
        return connected ? ErrorCode::ok : connected.error().code;
    }
};

struct FewBytesFixture : RingFixture {
    FewBytesFixture() : RingFixture({"shared_memory.ring_bytes=4KiB"}) {}
};
struct ImpatientRingFixture : RingFixture {
    ImpatientRingFixture()
        : RingFixture({"limits.idle_timeout=1500ms", "limits.heartbeat=200ms"}) {}
};

// Everything in the topic, in a group of its own.
client::Consumer reader_of(client::Client& client, const std::string& topic) {
    client::ConsumerOptions options;
    options.group = "all";
    auto consumer = must(client.make_consumer(options));
    must(consumer.subscribe({topic}));
    return consumer;
}

ErrorCode error_in(const std::optional<RawFrame>& frame) {
    REQUIRE(frame);
    return frame->error;
}

std::vector<std::byte> ping_frame(std::uint32_t correlation_id) {
    return request_bytes(fb::PingT{}, correlation_id);
}

}  // namespace

// ---- it does what a socket does -----------------------------------------------------------------

TEST_CASE_FIXTURE(RingFixture,
                  "shared memory: events, groups, taps and requests go through rings") {
    const auto writing = connect(endpoint);
    const auto reading = connect(endpoint);
    create_topic(*writing, "log");
    create_topic(*writing, "live", in_no_storage);
    CHECK(figure("casc_shared_memory_connections") == 2);

    send_many(*writing, "log", 5000);
    auto consumer = reader_of(*reading, "log");
    std::vector<std::string> events;
    CHECK(poll_until(consumer, events, [&] { return events.size() == 5000; }));

    auto tap = must(reading->make_tap({.topics = {"live"}}));
    client::ProducerOptions not_stored;
    not_stored.acks = Acks::memory;
    auto producer = must(writing->make_producer("live", not_stored));
    for (int i = 0; i < 100; ++i)
        must(producer.send({.payload = std::as_bytes(std::span(endpoint))}));
    must(producer.flush());
    std::size_t tapped = 0;
    while (tapped < 100)
        tapped += must(tap.poll(1000, 50ms)).size();

    auto responder = must(reading->serve({.subject = "echo"}));
    std::atomic<bool> stop{false};
    std::thread serving([&] {
        while (!stop)
            for (const auto& request : must(responder.poll(10, 5ms)))
                must(responder.answer(request.id, {.payload = request.event.payload}));
    });
    for (int i = 0; i < 100; ++i) {
        const std::string text = std::to_string(i);
        const auto answer =
            must(writing->request("echo", {.payload = std::as_bytes(std::span(text))}));
        CHECK(std::ranges::equal(answer.payload(), std::as_bytes(std::span(text))));
    }
    stop = true;
    serving.join();
}

TEST_CASE_FIXTURE(FewBytesFixture, "shared memory: frames far larger than a ring go through it") {
    const auto client = connect(endpoint);
    create_topic(*client, "t");
    const std::string large(1'000'000, 'x');
    auto producer = must(client->make_producer("t"));
    for (int i = 0; i < 5; ++i)
        must(producer.send({.payload = std::as_bytes(std::span(large))}));
    must(producer.close(kPatience));
    auto consumer = reader_of(*client, "t");
    std::size_t count = 0;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (count < 5 && std::chrono::steady_clock::now() < deadline)
        for (const auto event : must(consumer.poll(10, 50ms))) {
            CHECK(text_of(event) == large);
            ++count;
        }
    CHECK(count == 5);
}

TEST_CASE_FIXTURE(RingFixture,
                  "shared memory: who has been quiet for long is heard when it speaks") {
    RingPeer peer(path);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(must(peer.call(fb::ListTopicsT{})).topics.empty());
        // The broker's loop has slept often enough in between to look at this ring no more.
        std::this_thread::sleep_for(1200ms);
    }
}

// The quiet one used to be forgotten without having been asked to ring, when a busy one before it
// kept the loop from sleeping at the last moment.
TEST_CASE_FIXTURE(RingFixture, "shared memory: also when others have been busy meanwhile") {
    RingPeer busy(path);
    RingPeer quiet(path);
    for (int i = 0; i < 3; ++i) {
        REQUIRE(quiet.call(fb::PingT{}));
        const auto until = std::chrono::steady_clock::now() + 700ms;
        while (std::chrono::steady_clock::now() < until)
            REQUIRE(busy.call(fb::PingT{}));
        // Nobody keeps the loop awake any more.
        std::this_thread::sleep_for(1200ms);
    }
    REQUIRE(quiet.call(fb::PingT{}));
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: a client finds its broker again after a crash") {
    const auto client = connect(endpoint);
    create_topic(*client, "t");
    send_many(*client, "t", 100);
    broker.options().listen = {"127.0.0.1:0", broker.endpoint(1)};
    broker.kill_hard();
    broker.restart();
    send_many(*client, "t", 100);
    auto consumer = reader_of(*client, "t");
    std::vector<std::string> events;
    CHECK(poll_until(consumer, events, [&] { return events.size() == 200; }));
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: what a peer wrote before it left counts") {
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t topic = create_topic(raw, "t");
    {
        RingPeer peer(path);
        fb::ProduceT request;
        request.topic_id = topic;
        request.acks = static_cast<std::uint8_t>(Acks::none);
        wire::Encoder encoder;
        for (int i = 0; i < 100; ++i)
            REQUIRE(peer.send(frame_bytes(wire::FrameKind::one_way, wire::Api::produce, 0,
                                          encoder.encode(request), batch_of({"e"}))));
    }
    CHECK(becomes("casc_shared_memory_connections", 0));
    CHECK(figure("casc_events_in_total") == 100);
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: SIGTERM answers what is in flight") {
    const auto client = connect(endpoint);
    create_topic(*client, "t");
    send_many(*client, "t", 1000);
    CHECK(broker.terminate() == 0);
}

// ---- asking for it ------------------------------------------------------------------------------

TEST_CASE_FIXTURE(RingFixture, "shared memory: it is offered on the Unix socket only") {
    CHECK(RawConnection(broker.endpoint(0)).hello().features == 0);
    CHECK(RawConnection(broker.endpoint(1)).hello().features == 1);
    RawConnection raw(broker.endpoint(0));
    raw.hello();
    CHECK(code_of(raw.call(fb::OpenRingsT{})) == ErrorCode::not_supported);
    CHECK(raw.call(fb::PingT{}));
}

TEST_CASE("shared memory: switched off it is refused, and said so by the client") {
    RingFixture fixture({"shared_memory.enabled=false"});
    CHECK(RawConnection(fixture.broker.endpoint(1)).hello().features == 0);
    CHECK(RingPeer(fixture.path).refused() == ErrorCode::not_supported);
    CHECK(fixture.why_not(fixture.endpoint) == ErrorCode::not_supported);
    CHECK(fixture.why_not("unix://" + fixture.path) == ErrorCode::ok);
}

TEST_CASE("shared memory: what rings may take is bounded, and free again when one goes") {
    RingFixture fixture({"shared_memory.memory_bytes=1MiB", "shared_memory.ring_bytes=256KiB"});
    auto first = std::make_unique<RingPeer>(fixture.path);
    CHECK(first->refused() == ErrorCode::ok);
    CHECK(first->ring_bytes() == 256u << 10);
    CHECK(fixture.figure("casc_shared_memory_bytes") == 4096 + (512 << 10));
    CHECK(RingPeer(fixture.path).refused() == ErrorCode::overloaded);
    RingPeer small(fixture.path, 10'000);
    CHECK(small.refused() == ErrorCode::ok);
    CHECK(small.ring_bytes() == 16'384);
    first.reset();
    CHECK(fixture.becomes("casc_shared_memory_connections", 1));
    CHECK(RingPeer(fixture.path).refused() == ErrorCode::ok);
}

TEST_CASE("shared memory: a ring is a power of two") {
    std::string log;
    CHECK(TestBroker::run_to_end({.settings = {"shared_memory.ring_bytes=5000"}}, log).code == 78);
    CHECK(log.find("power of two") != std::string::npos);
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: rings are opened once") {
    RingPeer peer(path);
    CHECK(code_of(peer.call(fb::OpenRingsT{})) == ErrorCode::invalid_request);
    CHECK(peer.call(fb::PingT{}));
}

TEST_CASE_FIXTURE(RingFixture,
                  "shared memory: who does not wait for the answer stays on its socket") {
    RawConnection raw(broker.endpoint(1));
    raw.hello();
    auto both = request_bytes(fb::OpenRingsT{}, 7);
    const auto behind = ping_frame(8);
    both.insert(both.end(), behind.begin(), behind.end());
    REQUIRE(raw.send(both));
    CHECK(error_in(raw.receive()) == ErrorCode::invalid_request);
    const auto second = raw.receive();
    REQUIRE(second);
    CHECK(second->header.correlation_id == 8);
}

// ---- nonsense -----------------------------------------------------------------------------------

TEST_CASE_FIXTURE(RingFixture, "shared memory: a position that moves back ends that connection") {
    RingPeer peer(path);
    REQUIRE(peer.call(fb::PingT{}));
    peer.to_broker().written.fetch_sub(8);
    peer.bell();
    const auto last = peer.receive();
    REQUIRE(last);
    CHECK(last->error == ErrorCode::ring_corrupt);
    CHECK(peer.is_hung_up_on());
    CHECK(has_complained());
    CHECK(serves());
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: so does one beyond the ring") {
    std::size_t times = 0;
    for (const std::uint64_t beyond : {1ull, 1ull << 32, 1ull << 63}) {
        CAPTURE(beyond);
        RingPeer peer(path);
        REQUIRE(peer.call(fb::PingT{}));
        peer.to_broker().written.fetch_add(peer.ring_bytes() + beyond);
        peer.bell();
        CHECK(error_in(peer.receive()) == ErrorCode::ring_corrupt);
        CHECK(peer.is_hung_up_on());
        CHECK(has_complained(++times));
    }
    CHECK(serves());
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: so does having read what was never written") {
    std::size_t times = 0;
    for (const std::uint64_t position : {1ull << 20, 1ull << 40, ~0ull}) {
        CAPTURE(position);
        RingPeer peer(path, 4096);
        REQUIRE(peer.call(fb::PingT{}));
        peer.to_client().read.store(position);
        // More answers than find room, so that the position is looked at.
        for (std::uint32_t i = 0; i < 300; ++i)
            if (!peer.send(ping_frame(i))) break;
        CHECK(peer.is_hung_up_on());
        CHECK(has_complained(++times));
    }
    CHECK(serves());
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: a frame longer than allowed ends the connection") {
    RingPeer peer(path);
    auto frame = ping_frame(1);
    const std::uint32_t length = 64u << 20;
    std::memcpy(frame.data(), &length, sizeof length);
    REQUIRE(peer.send(frame));
    CHECK(error_in(peer.receive()) == ErrorCode::frame_too_large);
    CHECK(peer.is_hung_up_on());
    CHECK(serves());
}

#if !CASC_THREAD_SANITIZER  // the race is what it is about
TEST_CASE_FIXTURE(RingFixture, "shared memory: bytes that do not stay as they are do no harm") {
    std::atomic<bool> stop{false};
    for (int round = 0; round < 5; ++round) {
        RingPeer peer(path);
        stop = false;
        // Lengths and checksums that were right a moment ago.
        std::thread changing([&] {
            std::uint32_t number = 0;
            while (!stop) {
                const std::size_t at = (++number * 8) % 4096;
                const std::uint32_t value = number * 0x9E3779B9u;
                std::memcpy(peer.out().data() + at, &value, sizeof value);
                // Whatever comes back counts as read, or the broker would wait to say why it ends.
                peer.to_client().read.store(peer.to_client().written.load());
                if (peer.to_client().writer_waits.exchange(0) != 0)
                    static_cast<void>(::send(peer.socket(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
            }
        });
        for (std::uint32_t i = 0; i < 20'000; ++i)
            if (!peer.send(ping_frame(i))) break;
        stop = true;
        changing.join();
        CHECK(serves());
    }
    CHECK(becomes("casc_shared_memory_connections", 0));
}
#endif

TEST_CASE_FIXTURE(RingFixture,
                  "shared memory: wrong wait flags and bells without end wake nobody else") {
    RingPeer peer(path);
    for (int i = 0; i < 20'000; ++i) {
        peer.to_broker().reader_waits.store(static_cast<std::uint32_t>(i));
        peer.to_client().writer_waits.store(7);
        if (::send(peer.socket(), "?", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) continue;
    }
    CHECK(serves());
    peer.to_broker().reader_waits.store(1);
    CHECK(peer.call(fb::PingT{}));
}

TEST_CASE_FIXTURE(RingFixture, "shared memory: the memory cannot be cut off under the broker") {
    RingPeer peer(path);
    CHECK(::ftruncate(peer.file(), 0) == -1);
    CHECK(errno == EPERM);
    CHECK(::ftruncate(peer.file(), 4096) == -1);
    // Holes read as zeros: the position is 0 again, which is nonsense and not a signal.
    REQUIRE(peer.call(fb::PingT{}));
    CHECK(::fallocate(peer.file(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(4096 + 2 * peer.ring_bytes())) == 0);
    peer.bell();
    CHECK(peer.is_hung_up_on());
    CHECK(has_complained());
    CHECK(serves());
}

// ---- peers that die or do not read --------------------------------------------------------------

TEST_CASE_FIXTURE(
    RingFixture, "shared memory: of a peer that is killed in the middle of a frame nothing stays") {
    CHECK(serves());
    const std::size_t files_before = open_files();
    for (int round = 0; round < 5; ++round) {
        const pid_t child = ::fork();
        if (child == 0) {
            RingPeer peer(path);
            const auto frame = ping_frame(1);
            static_cast<void>(peer.send(std::span(frame).first(frame.size() / 2)));
            ::kill(::getpid(), SIGKILL);
        }
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
    }
    CHECK(becomes("casc_shared_memory_connections", 0));
    CHECK(figure("casc_shared_memory_bytes") == 0);
    CHECK(becomes("casc_connections", 1));  // the one that asks
    CHECK(open_files_fall_to(files_before));
    CHECK(broker.terminate() == 0);
}

TEST_CASE_FIXTURE(RingFixture,
                  "shared memory: while they live two descriptors are all they cost, and none when "
                  "they are gone") {
    CHECK(serves());
    const std::size_t before = open_files();
    {
        std::vector<std::unique_ptr<RingPeer>> peers;
        for (int i = 0; i < 10; ++i)
            peers.push_back(std::make_unique<RingPeer>(path));
        CHECK(open_files_fall_to(before + 10));  // the last one's memory goes with its answer
    }
    CHECK(becomes("casc_shared_memory_connections", 0));
    CHECK(open_files_fall_to(before));
}

TEST_CASE_FIXTURE(
    ImpatientRingFixture,
    "shared memory: who does not read its answers is not read from, and closed in the end") {
    RingPeer peer(path);
    RawConnection other(broker.endpoint());
    other.hello();
    const auto request = request_bytes(fb::NodeConfigT{}, 1);
    // As much as the broker takes. Answers are many times as long as requests, and at 4 MiB of
    // them it stops.
    std::uint64_t sent = 0;
    const auto& read = peer.to_broker().read;
    const auto deadline = std::chrono::steady_clock::now() + 500ms;
    while (std::chrono::steady_clock::now() < deadline) {
        if (sent - read.load() + request.size() > peer.ring_bytes()) continue;
        for (const std::byte b : request)
            peer.out()[sent++ % peer.ring_bytes()] = b;
        peer.to_broker().written.store(sent);
        if (peer.to_broker().reader_waits.exchange(0) != 0) peer.bell();
        REQUIRE(other.call(fb::PingT{}));
    }
    const std::uint64_t taken = read.load();
    CHECK(taken < 4u << 20);
    REQUIRE(other.call(fb::PingT{}));
    CHECK(read.load() == taken);
    while (figure("casc_shared_memory_connections") != 0)
        REQUIRE(other.call(fb::PingT{}));
    CHECK(broker.wait_for_log("connection_idle"));
}

TEST_CASE_FIXTURE(ImpatientRingFixture, "shared memory: bells alone are no sign of life") {
    RingPeer peer(path);
    std::atomic<bool> gone{false};
    std::thread waiting([&] { gone = peer.is_hung_up_on(); });
    while (!gone)
        static_cast<void>(::send(peer.socket(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
    waiting.join();
    CHECK(serves());
}
