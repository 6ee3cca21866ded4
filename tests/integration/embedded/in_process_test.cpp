// A broker and its clients in one process.

#include "../broker_verbs.hpp"

#include <casc/broker/broker.hpp>
#include <casc/broker/logging.hpp>

#include <atomic>
#include <thread>
#include <unistd.h>

using namespace casc;
using namespace casc::test;

namespace {

struct EmbeddedFixture {
    std::filesystem::path folder;
    std::string name;
    std::unique_ptr<broker::Broker> broker;

    EmbeddedFixture() {
        static std::atomic<int> last{0};
        name = "embedded-" + std::to_string(++last);
        folder = std::filesystem::temp_directory_path() /
                 ("casc-" + name + "-" + std::to_string(::getpid()));
        start();
    }
    ~EmbeddedFixture() {
        broker.reset();
        std::error_code ignored;
        std::filesystem::remove_all(folder, ignored);
    }
    EmbeddedFixture(const EmbeddedFixture&) = delete;
    EmbeddedFixture& operator=(const EmbeddedFixture&) = delete;

    Result<std::unique_ptr<broker::Broker>> make(const std::filesystem::path& data,
                                                 std::vector<broker::Override> more = {}) const {
        std::vector<broker::Override> settings{{"node.data_directory", data.string()},
                                               {"listen.endpoints", "inproc://" + name},
                                               {"storage.journal_segment_bytes", "4MiB"},
                                               {"storage.journal_segments_min", "2"},
                                               {"storage.checkpoint_bytes", "2MiB"},
                                               {"storage.reserve_bytes", "64MiB"},
                                               {"limits.frame_bytes", "2MiB"}};
        for (auto& setting : more)
            settings.push_back(std::move(setting));
        CASC_TRY(const auto loaded, broker::load_config({}, {}, settings));
        return broker::Broker::start(loaded);
    }
    void start() { broker = must(make(folder)); }
    void stop() {
        broker->request_drain();
        must(broker->wait());
        broker.reset();
    }
    std::string endpoint() const { return broker->endpoints().front(); }
    double metric(const std::string& wanted) const {
        for (const auto& family : must(broker->metrics(5s)))
            if (family.name == wanted) return family.samples.front().value;
        FAIL("no such metric: " << wanted);
        return 0;
    }
};

std::vector<std::string> all_of(client::Client& client, std::size_t count) {
    client::ConsumerOptions options;
    options.group = "all";
    auto consumer = must(client.make_consumer(options));
    must(consumer.subscribe({"t"}));
    std::vector<std::string> events;
    CHECK(poll_until(consumer, events, [&] { return events.size() >= count; }));
    return events;
}

}  // namespace

TEST_CASE_FIXTURE(EmbeddedFixture, "in process: events go round without a socket in the network") {
    CHECK(endpoint() == "inproc://" + name);
    const auto client = connect(endpoint());
    create_topic(*client, "t");
    send_many(*client, "t", 20'000);
    CHECK(all_of(*client, 20'000).size() == 20'000);
    CHECK(metric("casc_connections") == 1);
    CHECK(metric("casc_shared_memory_connections") == 1);
}

TEST_CASE_FIXTURE(EmbeddedFixture,
                  "in process: several clients at a time, each with its own rings") {
    std::vector<std::thread> threads;
    const auto admin = connect(endpoint());
    create_topic(*admin, "t");
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([this] { send_many(*connect(endpoint()), "t", 2000); });
    for (auto& thread : threads)
        thread.join();
    CHECK(all_of(*admin, 8000).size() == 8000);
}

TEST_CASE_FIXTURE(EmbeddedFixture, "in process: what was acknowledged is there at the next start") {
    {
        const auto client = connect(endpoint());
        create_topic(*client, "t");
        send_many(*client, "t", 100);
    }
    stop();
    start();
    CHECK(all_of(*connect(endpoint()), 100).size() == 100);
}

TEST_CASE_FIXTURE(EmbeddedFixture,
                  "in process: a client outlives its broker and finds the next one") {
    const auto client = connect(endpoint());
    create_topic(*client, "t");
    send_many(*client, "t", 10);
    stop();
    start();
    send_many(*client, "t", 10);
    CHECK(all_of(*client, 20).size() == 20);
}

TEST_CASE_FIXTURE(EmbeddedFixture, "in process: a name has one broker, and an empty one none") {
    const auto second = make(folder.string() + "-second");
    CHECK(code_of(second) == ErrorCode::invalid_config);
    std::filesystem::remove_all(folder.string() + "-second");
    CHECK(code_of(broker::load_config({}, {}, {{"listen.endpoints", "inproc://"}})) ==
          ErrorCode::invalid_config);
    client::ClientOptions options;
    options.endpoints = {"inproc://nobody"};
    const auto nobody = client::Client::connect(options);
    CHECK(code_of(nobody) == ErrorCode::connection_error);
    options.endpoints = {"inproc://"};
    CHECK(code_of(client::Client::connect(options)) == ErrorCode::invalid_config);
}

TEST_CASE_FIXTURE(EmbeddedFixture,
                  "in process: without shared memory it says so instead of going another way") {
    stop();
    broker = must(make(folder, {{"shared_memory.enabled", "false"}}));
    client::ClientOptions options;
    options.endpoints = {endpoint()};
    CHECK(code_of(client::Client::connect(options)) == ErrorCode::not_supported);
}
