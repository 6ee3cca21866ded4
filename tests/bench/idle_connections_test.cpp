// What stands beside a workload is counted when the measurement is over, and what was lost is seen.

#include "idle_connections.hpp"

#include "broker_process.hpp"
#include "bystanders.hpp"
#include "open_files.hpp"
#include "scratch_folder.hpp"
#include "text.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace casc::bench;

namespace {

struct SmallBroker {
    explicit SmallBroker(const std::string& setting = "limits.connections=30")
        : process(folder.path(),
                  {setting, "storage.reserve_bytes=64MiB", "limits.frame_bytes=2MiB",
                   "storage.checkpoint_bytes=2MiB", "storage.journal_segment_bytes=4MiB",
                   "storage.journal_segments_min=2"}) {}
    ScratchFolder folder{std::filesystem::current_path()};
    BrokerProcess process;
};

// The other end of a connection, byte by byte.
class FrameListener {
public:
    FrameListener() : path_((folder_.path() / "socket").string()) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path_.size() < sizeof address.sun_path);
        path_.copy(address.sun_path, path_.size());
        REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(socket_, 1) == 0);
    }
    ~FrameListener() { ::close(socket_); }
    FrameListener(const FrameListener&) = delete;
    FrameListener& operator=(const FrameListener&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] int accept() const { return ::accept(socket_, nullptr, nullptr); }

private:
    ScratchFolder folder_{std::filesystem::current_path()};
    std::string path_;
    int socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

}  // namespace

TEST_CASE("bench/idle connections: the broker answers each of them until they end") {
    const SmallBroker broker;
    IdleConnections idle(broker.process.endpoint(), 20);
    CHECK(idle.count_answered() == 20);
    CHECK(idle.first_error().empty());
}

TEST_CASE("bench/idle connections: those that the broker has closed are not counted") {
    SmallBroker broker;
    IdleConnections idle(broker.process.endpoint(), 20);
    broker.process.stop();
    CHECK(idle.count_answered() == 0);
    CHECK_FALSE(idle.first_error().empty());
}

TEST_CASE("bench/idle connections: a broker that hangs loses all of them at once") {
    const SmallBroker broker;
    IdleConnections idle(broker.process.endpoint(), 20);
    ::kill(broker.process.pid(), SIGSTOP);
    // It went on for a moment on its own processor, and answered.
    siginfo_t stopped{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(broker.process.pid()), &stopped,
                     WSTOPPED | WNOWAIT) == 0);
    // However many they are, they share the patience.
    CHECK(idle.count_answered(std::chrono::milliseconds(300)) == 0);
    CHECK(casc::test::contains(idle.first_error(), "has not answered"));
    ::kill(broker.process.pid(), SIGCONT);
}

TEST_CASE("bench/idle connections: a name with several addresses is tried to its last") {
    const SmallBroker broker;  // listens on 127.0.0.1; localhost is often ::1 first
    const std::string& endpoint = broker.process.endpoint();
    const auto socket = FrameSocket::connect("localhost" + endpoint.substr(endpoint.rfind(':')));
    CHECK(socket.has_value());
}

TEST_CASE("bench/idle connections: half a frame is kept until the rest of it has come") {
    const FrameListener listener;
    auto socket = FrameSocket::connect("unix://" + listener.path()).value();
    const int peer = listener.accept();
    FrameMemory memory;
    std::array<std::byte, casc::wire::framed_bytes(0)> frame;
    casc::wire::write_frame(frame, casc::wire::FrameKind::response, casc::wire::Api::ping, 7, {},
                            0);
    for (const std::size_t begun : {1, 10, 23}) {
        const auto first = std::span(frame).first(begun);
        const auto rest = std::span(frame).subspan(begun);
        REQUIRE(::send(peer, first.data(), first.size(), 0) == std::ssize(first));
        CHECK_FALSE(socket.try_receive(memory).value());
        memory.bytes.fill({});  // meanwhile other sockets use it
        REQUIRE(::send(peer, rest.data(), rest.size(), 0) == std::ssize(rest));
        const auto whole = socket.try_receive(memory).value();
        REQUIRE(whole);
        CHECK(whole->header.correlation_id == 7);
    }
    ::close(peer);
    CHECK_FALSE(socket.try_receive(memory));
}

TEST_CASE("bench/bystanders: they need what they open, which a small machine has") {
    Options options;
    options.slow_consumer_count = 2;
    const std::uint64_t slow = files_needed_with_bystanders(options);
    CHECK(slow < 1024);
    options.slow_consumer_count = 12;
    CHECK(files_needed_with_bystanders(options) == slow + 10 * kFilesPerClient);
    options.idle_connection_count = 1000;
    CHECK(files_needed_with_bystanders(options) == slow + 10 * kFilesPerClient + 1000);
}

TEST_CASE("bench/idle connections: one more than the broker takes is said at once") {
    const SmallBroker broker("limits.connections=10");
    CHECK_THROWS_AS(IdleConnections(broker.process.endpoint(), 11), std::runtime_error);
}
