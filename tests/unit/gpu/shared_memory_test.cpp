// Memory that another process has, too.

#include <casc/ring/descriptor_passing.hpp>
#include <casc/ring/in_process.hpp>
#include <casc/ring/ring_link.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace casc::ring {
namespace {

constexpr std::size_t kMemoryBytes = 8_KiB;

FileDescriptor memory_file(std::size_t bytes, int seals) {
    FileDescriptor file(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(file.get(), static_cast<off_t>(bytes)) == 0);
    if (seals != 0) REQUIRE(::fcntl(file.get(), F_ADD_SEALS, seals) == 0);
    return file;
}

ErrorCode adoption(FileDescriptor file, std::size_t bytes = kMemoryBytes) {
    const auto adopted = SharedMemory::adopt(std::move(file), bytes);
    return adopted ? ErrorCode::ok : adopted.error().code;
}

std::pair<FileDescriptor, FileDescriptor> socket_pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

struct LinkPair {
    std::pair<FileDescriptor, FileDescriptor> sockets = socket_pair();
    RingLinkPtr broker;
    RingLinkPtr client;

    LinkPair() {
        broker = RingLink::create(kRingBytesMin, sockets.first.get()).value();
        client = RingLink::adopt(FileDescriptor(::dup(broker->memory().fd())), kRingBytesMin,
                                 sockets.second.get())
                     .value();
    }
    static std::size_t bells(const FileDescriptor& socket) {
        std::array<std::byte, 64> bytes;
        const ssize_t rung = ::recv(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        return rung < 0 ? 0 : static_cast<std::size_t>(rung);
    }
    static void say(RingLink& link, std::string_view text) {
        REQUIRE(link.put(std::as_bytes(std::span(text))).value() == text.size());
        link.publish();
    }
    static std::string heard(RingLink& link) {
        std::array<std::byte, 256> bytes;
        const std::size_t count = link.read(bytes).value();
        return {reinterpret_cast<const char*>(bytes.data()), count};
    }
};

}  // namespace

TEST_CASE("gpu/shared_memory: what was made cannot be cut, grown or unsealed") {
    const auto memory = SharedMemory::create(kMemoryBytes).value();
    CHECK(::ftruncate(memory.fd(), 0) == -1);
    CHECK(errno == EPERM);
    CHECK(::ftruncate(memory.fd(), kMemoryBytes * 2) == -1);
    CHECK(::fcntl(memory.fd(), F_ADD_SEALS, F_SEAL_WRITE) == -1);
    // A hole is not a cut: what is read there is zeros.
    memory.bytes()[0] = std::byte{7};
    CHECK(::fallocate(memory.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0);
    CHECK(memory.bytes()[0] == std::byte{0});
}

TEST_CASE("gpu/shared_memory: a file that its owner could cut is refused") {
    CHECK(adoption(memory_file(kMemoryBytes, 0)) == ErrorCode::ring_corrupt);
    CHECK(adoption(memory_file(kMemoryBytes, F_SEAL_GROW)) == ErrorCode::ring_corrupt);
    CHECK(adoption(memory_file(kMemoryBytes, F_SEAL_SHRINK)) == ErrorCode::ring_corrupt);
    CHECK(adoption(memory_file(kMemoryBytes, SharedMemory::kSeals)) == ErrorCode::ok);
}

TEST_CASE("gpu/shared_memory: so is one of another size, and what is no such file") {
    CHECK(adoption(memory_file(kMemoryBytes / 2, SharedMemory::kSeals)) == ErrorCode::ring_corrupt);
    CHECK(adoption(memory_file(kMemoryBytes * 2, SharedMemory::kSeals)) == ErrorCode::ring_corrupt);
    CHECK(adoption(FileDescriptor(::open("/dev/null", O_RDWR | O_CLOEXEC))) ==
          ErrorCode::ring_corrupt);
    CHECK(adoption(FileDescriptor()) == ErrorCode::ring_corrupt);
}

TEST_CASE_FIXTURE(LinkPair, "gpu/ring_link: what one side says the other one hears") {
    say(*client, "hello");
    CHECK(heard(*broker) == "hello");
    say(*broker, "and welcome");
    CHECK(heard(*client) == "and welcome");
    CHECK(heard(*broker).empty());
    CHECK(bells(sockets.first) == 0);  // nobody slept
    CHECK(bells(sockets.second) == 0);
}

TEST_CASE_FIXTURE(LinkPair, "gpu/ring_link: the bell rings for who has asked, once") {
    broker->arm(true, false);
    say(*client, "one");
    say(*client, "two");
    CHECK(bells(sockets.first) == 1);
    CHECK(heard(*broker) == "onetwo");
    const std::string much(2 * kRingBytesMin, 'x');
    CHECK(broker->put(std::as_bytes(std::span(much))).value() == kRingBytesMin);
    broker->publish();
    broker->arm(false, true);
    CHECK_FALSE(broker->has_room());
    CHECK(heard(*client).size() == 256);
    CHECK(heard(*client).size() == 256);
    CHECK(bells(sockets.first) == 1);
    CHECK(broker->has_room());
}

TEST_CASE_FIXTURE(LinkPair, "gpu/ring_link: a bell that nobody hears never holds up who rings it") {
    for (int i = 0; i < 10'000; ++i) {
        client->arm(true, false);
        say(*broker, "x");
        static_cast<void>(heard(*client));
    }
    CHECK(bells(sockets.second) > 0);
}

TEST_CASE_FIXTURE(LinkPair, "gpu/ring_link: memory with another header holds no rings") {
    const auto refuses = [&](auto&& change) {
        auto memory = SharedMemory::create(ring_memory_bytes(kRingBytesMin)).value();
        auto* const header = new (memory.bytes().data()) RingHeader;
        header->ring_bytes = kRingBytesMin;
        change(*header);
        const auto link = RingLink::adopt(FileDescriptor(::dup(memory.fd())), kRingBytesMin, -1);
        return link ? ErrorCode::ok : link.error().code;
    };
    CHECK(refuses([](RingHeader&) {}) == ErrorCode::ok);
    CHECK(refuses([](RingHeader& h) { h.magic = 1; }) == ErrorCode::ring_corrupt);
    CHECK(refuses([](RingHeader& h) { h.layout = 2; }) == ErrorCode::ring_corrupt);
    CHECK(refuses([](RingHeader& h) { h.ring_bytes = 8192; }) == ErrorCode::ring_corrupt);
    for (const std::size_t bytes : {0, 1, 4095, 4097, 6000, 2048})
        CHECK(RingLink::adopt(FileDescriptor(), bytes, -1).error().code == ErrorCode::ring_corrupt);
}

TEST_CASE(
    "gpu/descriptor_passing: a descriptor comes with its bytes, and the one that is wanted only") {
    const auto [ours, theirs] = socket_pair();
    const FileDescriptor sent(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const std::string_view text = "with it";
    REQUIRE(send_with_descriptor(ours.get(), std::as_bytes(std::span(text)), sent.get()));
    std::array<std::byte, 64> into;
    FileDescriptor passed;
    CHECK(receive_with_descriptor(theirs.get(), into, passed) == 7);
    CHECK(passed);
    CHECK(passed.get() != sent.get());
    const int first = passed.get();
    REQUIRE(send_with_descriptor(ours.get(), std::as_bytes(std::span(text)), sent.get()));
    CHECK(receive_with_descriptor(theirs.get(), into, passed) == 7);
    CHECK(passed.get() == first);  // the second one is closed
}

TEST_CASE("gpu/in_process: a name is one listener's, and gone with it") {
    CHECK(InProcessListener::connect("here").error().code == ErrorCode::connection_error);
    FileDescriptor accepted;
    auto listener = InProcessListener::bind("here", [&](FileDescriptor end) {
                        accepted = std::move(end);
                    }).value();
    CHECK(InProcessListener::bind("here", [](FileDescriptor) {}).error().code ==
          ErrorCode::invalid_config);
    const auto ours = InProcessListener::connect("here").value();
    REQUIRE(accepted);
    CHECK(::send(ours.get(), "x", 1, MSG_NOSIGNAL) == 1);
    char byte = 0;
    CHECK(::recv(accepted.get(), &byte, 1, 0) == 1);
    listener.reset();
    CHECK(InProcessListener::connect("here").error().code == ErrorCode::connection_error);
}

}  // namespace casc::ring
