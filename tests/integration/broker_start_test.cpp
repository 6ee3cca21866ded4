// How casc-broker starts and, above all, how it refuses to: exit code, a message that says what to
// do, nothing touched.

#include "raw_connection.hpp"
#include "test_broker.hpp"

#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <sys/mount.h>
#include <sys/stat.h>
#include <text.hpp>
#include <unistd.h>

using namespace casc;
using namespace casc::test;
namespace fb = casc::wire::fb;

namespace {

struct TemporaryFolder {
    std::filesystem::path path;
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "casc-start-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

std::string contents(const std::filesystem::path& file) {
    std::string bytes(std::filesystem::file_size(file), '\0');
    std::ifstream(file, std::ios::binary)
        .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}

// Files without which no event is lost: the lock, and what RocksDB writes anew whenever it is
// opened (its manifest, its log of messages), which happens before the journal is read.
bool is_housekeeping(const std::filesystem::path& file) {
    const std::string name = file.filename().string();
    const bool in_rocks = file.parent_path().filename() == "rocks";
    return name == "LOCK" || (in_rocks && file.extension() != ".sst");
}

// Every file below `folder` with its bytes and time of change.
using Snapshot = std::map<std::string, std::pair<std::string, std::filesystem::file_time_type>>;
Snapshot snapshot(const std::filesystem::path& folder) {
    Snapshot files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file() || is_housekeeping(entry.path())) continue;
        files[entry.path().lexically_relative(folder).string()] = {contents(entry.path()),
                                                                   entry.last_write_time()};
    }
    return files;
}

// The names of what was added, removed or changed; empty when nothing was.
std::string changes_in(const std::filesystem::path& folder, const Snapshot& before) {
    const Snapshot after = snapshot(folder);
    std::string names;
    for (const auto& [name, file] : after) {
        const auto found = before.find(name);
        if (found == before.end()) names += " +" + name;
        if (found != before.end() && found->second != file) names += " !" + name;
    }
    for (const auto& [name, file] : before) {
        if (!after.contains(name)) names += " -" + name;
    }
    return names;
}

std::vector<std::byte> repeated_batch(std::string_view payload, std::size_t count) {
    wire::BatchBuilder builder(Lane::normal);
    for (std::size_t i = 0; i < count; ++i)
        builder.add_payload(std::as_bytes(std::span(payload)), EpochNanos(1));
    std::vector<std::byte> buffer;
    const auto batch = builder.finish({}, buffer);
    return {batch.begin(), batch.end()};
}

// Makes the topic "t" and stores `batches` of 1000 events in it, each acknowledged durable.
void fill(const TestBroker& broker, std::size_t batches) {
    RawConnection raw(broker.endpoint());
    raw.hello();
    fb::CreateTopicT create;
    create.name = "t";
    const auto topic = raw.call(create);
    REQUIRE_MESSAGE(topic.has_value(), topic.error().message());
    fb::ProduceT produce;
    produce.topic_id = topic->topic_id;
    produce.acks = static_cast<std::uint8_t>(Acks::durable);
    const std::vector<std::byte> batch = repeated_batch(std::string(100, 'x'), 1000);
    for (std::size_t i = 0; i < batches; ++i) {
        const auto stored = raw.call(produce, batch);
        REQUIRE_MESSAGE(stored.has_value(), stored.error().message());
        CHECK(stored->base_offset == i * 1000);
    }
}

// The end of log "t", partition 0, normal lane.
std::uint64_t end_of_log(const TestBroker& broker) {
    RawConnection raw(broker.endpoint());
    raw.hello();
    fb::DescribeTopicT describe;
    describe.name = "t";
    const auto topic = raw.call(describe);
    REQUIRE_MESSAGE(topic.has_value(), topic.error().message());
    REQUIRE(topic->logs.size() == 1);
    return topic->logs[0]->visible_end;
}

// A file of the journal that contains `needle`.
std::filesystem::path journal_file_with(const std::filesystem::path& folder,
                                        std::string_view needle) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        const std::string name = entry.path().lexically_relative(folder).string();
        if (!entry.is_regular_file() || !contains(name, "journal")) continue;
        if (contains(contents(entry.path()), needle)) return entry.path();
    }
    FAIL("no journal file with that below ", folder.string());
    return {};
}

// Where the bytes of `needle` begin in `file` for the `count`-th time.
std::size_t find_in(const std::string& bytes, std::string_view needle, std::size_t count) {
    std::size_t at = bytes.find(needle);
    while (count-- > 1 && at != bytes.npos)
        at = bytes.find(needle, at + needle.size());
    return at;
}

}  // namespace

TEST_CASE("broker/start: it serves, says where, and keeps what it was given over a restart") {
    TestBroker broker;
    CHECK(contains(broker.log(), "listening endpoint=" + broker.endpoint()));
    CHECK(contains(broker.log(), "listening http=" + broker.http_endpoint()));
    fill(broker, 3);
    CHECK(broker.terminate() == 0);
    broker.restart();
    CHECK(end_of_log(broker) == 3000);
}

TEST_CASE("broker/start: what was acknowledged durable is there after SIGKILL") {
    TestBroker broker;
    fill(broker, 20);
    broker.kill_hard();
    broker.restart();
    CHECK(end_of_log(broker) == 20'000);
}

TEST_CASE("broker/start: a Unix socket is the owner's only, and a stale one is no obstacle") {
    const TemporaryFolder folder;
    const std::string path = (folder.path / "casc.sock").string();
    TestBroker broker({.listen = {"127.0.0.1:0", "unix://" + path}});
    REQUIRE(broker.endpoint(1) == "unix://" + path);
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    RawConnection(broker.endpoint(1)).hello();
    broker.kill_hard();
    REQUIRE(std::filesystem::exists(path));
    broker.restart();
    RawConnection(broker.endpoint(1)).hello();
    CHECK(broker.terminate() == 0);
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("broker/start: a bad command line is exit code 2, a bad configuration 78") {
    std::string log;
    CHECK(TestBroker::run_to_end({.flags = {"--bogus"}}, log).code == 2);
    CHECK(contains(log, "--bogus"));
    CHECK(TestBroker::run_to_end({.settings = {"limits.conections=5"}}, log).code == 78);
    CHECK(contains(log, "did you mean 'limits.connections'?"));
    CHECK(TestBroker::run_to_end({.environment = {{"CASC_LIMITS__CONNECTIONS", "0"}}}, log).code ==
          78);
    CHECK(contains(
        log, "environment variable CASC_LIMITS__CONNECTIONS: limits.connections: must be between"));
    CHECK(TestBroker::run_to_end({.listen = {"0.0.0.0:0"}}, log).code == 78);
    CHECK(contains(log, "no authentication"));
}

TEST_CASE(
    "broker/start: a mistake in the file is named with line and column, and nothing is made") {
    const TemporaryFolder folder;
    std::ofstream(folder.path / "casc.toml") << "[limits]\nconnections = 5\nhartbeat = \"1s\"\n";
    std::string log;
    const TestBrokerOptions options{.flags = {"--config", (folder.path / "casc.toml").string()},
                                    .data_directory = folder.path / "data"};
    CHECK(TestBroker::run_to_end(options, log).code == 78);
    CHECK(contains(
        log, "casc.toml:3:1: unknown key 'limits.hartbeat', did you mean 'limits.heartbeat'?"));
    CHECK_FALSE(std::filesystem::exists(folder.path / "data"));
}

TEST_CASE("broker/start: --check-config and --print-config answer without starting anything") {
    const TemporaryFolder folder;
    std::string log;
    TestBrokerOptions options{.flags = {"--check-config"}, .data_directory = folder.path / "data"};
    CHECK(TestBroker::run_to_end(options, log).code == 0);
    CHECK(contains(log, "the configuration is good"));
    options.flags = {"--print-config"};
    CHECK(TestBroker::run_to_end(options, log).code == 0);
    CHECK(contains(log, "[listen]"));
    CHECK_FALSE(std::filesystem::exists(folder.path / "data"));
}

TEST_CASE("broker/start: an address in use is exit code 1 with the address") {
    const TestBroker broker;
    std::string log;
    CHECK(TestBroker::run_to_end({.listen = {broker.endpoint()}}, log).code == 1);
    CHECK(contains(log, "start_failed"));
    CHECK(contains(log, broker.endpoint()));
    CHECK(TestBroker::run_to_end({.flags = {"--set", "listen.http=" + broker.http_endpoint()}}, log)
              .code == 1);
    CHECK(contains(log, broker.http_endpoint()));
}

TEST_CASE("broker/start: between two starts the port of a test's broker is given to nobody else") {
    TestBroker broker;
    const std::string endpoint = broker.endpoint();
    broker.kill_hard();
    const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(broker.port());
    const int bound = ::bind(other, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    const int why = errno;
    CHECK(bound == -1);
    CHECK(why == EADDRINUSE);
    ::close(other);
    broker.restart();
    CHECK(broker.endpoint() == endpoint);
}

TEST_CASE("broker/start: a folder in use by another broker is refused, and that broker goes on") {
    const TestBroker first;
    fill(first, 1);
    std::string log;
    CHECK(TestBroker::run_to_end({.data_directory = first.data_directory()}, log).code == 1);
    CHECK(contains(log, "DATA_LOCKED"));
    CHECK(contains(log, first.data_directory().string()));
    CHECK(end_of_log(first) == 1000);
}

TEST_CASE("broker/start: the lock of a broker that was killed does not stay") {
    TestBroker broker;
    fill(broker, 1);
    broker.kill_hard();
    broker.restart();
    CHECK(end_of_log(broker) == 1000);
}

TEST_CASE("broker/start: a data folder that cannot be made or is a file is refused") {
    const TemporaryFolder folder;
    std::ofstream(folder.path / "file") << "x";
    std::string log;
    CHECK(TestBroker::run_to_end({.data_directory = folder.path / "file"}, log).code == 1);
    CHECK(contains(log, "start_failed"));
    CHECK(contains(log, (folder.path / "file").string()));
    CHECK(contents(folder.path / "file") == "x");
    // /proc takes no folders, not even from root.
    CHECK(TestBroker::run_to_end({.data_directory = "/proc/casc-data"}, log).code == 1);
    CHECK(contains(log, "/proc/casc-data"));
}

TEST_CASE("broker/start: a read-only data folder is refused and left as it is") {
    const TemporaryFolder folder;
    const std::filesystem::path data = folder.path / "data";
    {
        TestBroker broker({.data_directory = data});
        fill(broker, 1);
        REQUIRE(broker.terminate() == 0);
    }
    const Snapshot before = snapshot(data);
    // Permissions do not stop root, a read-only mount does; whoever cannot mount is not root.
    const bool mounted =
        ::mount(data.c_str(), data.c_str(), nullptr, MS_BIND, nullptr) == 0 &&
        ::mount(nullptr, data.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
    if (!mounted && ::geteuid() == 0) {
        ::umount(data.c_str());
        MESSAGE("root without the right to mount: nothing here can be made read-only");
        return;
    }
    if (!mounted)
        std::filesystem::permissions(
            data, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    std::string log;
    const ExitStatus status = TestBroker::run_to_end({.data_directory = data}, log);
    if (mounted) {
        ::umount(data.c_str());
    } else {
        std::filesystem::permissions(data, std::filesystem::perms::owner_all);
    }
    CHECK(status.code == 1);
    CHECK(contains(log, "DATA_UNWRITABLE"));
    CHECK(changes_in(data, before) == "");
}

TEST_CASE("broker/start: a folder from a newer version is refused and left as it is") {
    const TemporaryFolder folder;
    const std::filesystem::path data = folder.path / "data";
    {
        TestBroker broker({.data_directory = data});
        fill(broker, 1);
        REQUIRE(broker.terminate() == 0);
    }
    const std::filesystem::path format = data / "FORMAT";
    REQUIRE(contents(format).starts_with("casc data\nversion 2\n"));
    std::ofstream(format, std::ios::trunc) << "casc data\nversion 3\n";
    const Snapshot before = snapshot(data);
    std::string log;
    CHECK(TestBroker::run_to_end({.data_directory = data}, log).code == 1);
    CHECK(contains(log, "DATA_VERSION"));
    CHECK(changes_in(data, before) == "");
}

TEST_CASE("broker/start: a folder that is somebody else's is refused and left as it is") {
    const TemporaryFolder folder;
    std::filesystem::create_directories(folder.path / "data");
    std::ofstream(folder.path / "data" / "FORMAT") << "not ours\n";
    std::ofstream(folder.path / "data" / "thesis.tex") << "\\begin{document}";
    const Snapshot before = snapshot(folder.path / "data");
    std::string log;
    CHECK(TestBroker::run_to_end({.data_directory = folder.path / "data"}, log).code == 1);
    CHECK(contains(log, "start_failed"));
    CHECK(changes_in(folder.path / "data", before) == "");
}

TEST_CASE("broker/start: a flipped bit in the middle of the journal is refused and left as it is") {
    const TemporaryFolder folder;
    const std::filesystem::path data = folder.path / "data";
    {
        // So little is stored that no checkpoint has taken it: recovery needs the journal.
        TestBroker broker(
            {.settings = {"storage.checkpoint_bytes=64MiB", "storage.slice_bytes=64MiB"},
             .data_directory = data});
        fill(broker, 20);
        broker.kill_hard();
    }
    const std::string payload(100, 'x');
    const std::filesystem::path journal = journal_file_with(data, payload);
    std::string bytes = contents(journal);
    const std::size_t at =
        find_in(bytes, payload, 500);  // inside of the first batch; nineteen follow it
    REQUIRE(at != bytes.npos);
    {
        std::fstream file(journal, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(at));
        file.put('y');
    }
    const Snapshot before = snapshot(data);
    std::string log;
    CHECK(TestBroker::run_to_end({.data_directory = data}, log).code == 1);
    CHECK(contains(log, "DATA_CORRUPT"));
    CHECK(changes_in(data, before) == "");
}
