// A disk with less room than the reserve: producers are told, everybody else is served, nothing is
// lost, and service resumes when there is room.

#include "disk_filler.hpp"
#include "kill_load.hpp"

#include <doctest/doctest.h>

#include <optional>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kEventBytes = 64 << 10;

std::string reserve(std::uint64_t bytes) {
    return "storage.reserve_bytes=" + std::to_string(bytes);
}

// A producer that is told soon, instead of trying again for two minutes.
client::Producer impatient_producer(client::Client& client) {
    client::ProducerOptions options;
    options.linger = 0us;
    options.delivery_timeout = 1000ms;
    auto made = client.make_producer("orders", options);
    REQUIRE_MESSAGE(made, made.error().message());
    return *std::move(made);
}

Result<client::Delivery> send(client::Producer& producer, DeliveryHistory& history) {
    const auto payload = history.next(0, 0, kEventBytes);
    client::Event event;
    event.payload = payload;
    event.lane = Lane::critical;
    event.partition = PartitionId(0);
    auto delivered = producer.send_future(event).get();
    if (delivered) history.acknowledged(DeliveryHistory::parse(payload));
    return delivered;
}

// A producer goes on asking after DISK_FULL until its delivery timeout, and then that is what it
// says.
bool is_refusal(const Error& error) {
    return error.code == ErrorCode::disk_full || error.code == ErrorCode::timeout;
}

// What a client hears that does not ask again.
ErrorCode answer_to_a_new_topic(client::Client& client, const std::string& name) {
    wire::fb::CreateTopicT request;
    request.name = name;
    const auto created = client.call(request);
    return created ? ErrorCode::ok : created.error().code;
}

}  // namespace

TEST_CASE(
    "fault/disk_full: producers are told, consumers are served, and nothing is lost when there is "
    "room again") {
    TestBroker broker;
    auto client = connect(broker);
    create_topic(*client, "orders");
    DeliveryHistory history;
    {
        auto producer = impatient_producer(*client);
        for (int i = 0; i < 10; ++i)
            REQUIRE(send(producer, history));
    }

    // Room for some thousand events more than the reserve, and then none.
    broker.options().settings = {reserve_for_filler(broker.folder())};
    broker.restart();
    std::optional<DiskFiller> filler;
    {
        auto producer = impatient_producer(*client);
        Result<client::Delivery> last = send(producer, history);
        CHECK(last);
        filler.emplace(broker.folder());
        for (int i = 0; i < 20'000 && last; ++i)
            last = send(producer, history);
        REQUIRE(!last);
        INFO(last.error().message());
        CHECK(is_refusal(last.error()));
        CHECK(error_info(last.error().code).retryable);
    }
    CHECK(answer_to_a_new_topic(*client, "one-more") == ErrorCode::disk_full);
    CHECK(broker.running());
    read_everything(*client, history, "orders");
    check_history(history);
    CHECK(history.received_count() >= 10);

    // A disk on which nobody would ever have room: it starts, says no, and serves what there is.
    broker.options().settings = {reserve(std::uint64_t{32} << 40)};
    broker.restart();
    {
        client::ProducerOptions options;
        options.idempotent =
            false;  // a number of its own would have to be stored, and that is refused too
        options.delivery_timeout = 1000ms;
        auto producer = client->make_producer("orders", options);
        REQUIRE_MESSAGE(producer, producer.error().message());
        const auto sent = send(*producer, history);
        REQUIRE(!sent);
        CHECK(is_refusal(sent.error()));
    }
    CHECK(answer_to_a_new_topic(*client, "one-more") == ErrorCode::disk_full);
    history.forget_received();
    read_everything(*client, history, "orders");
    check_history(history);

    broker.options().settings = {};
    broker.restart();
    {
        auto producer = impatient_producer(*client);
        for (int i = 0; i < 10; ++i)
            CHECK(send(producer, history));
    }
    history.forget_received();
    read_everything(*client, history, "orders");
    check_history(history);
    CHECK(broker.terminate() == 0);
}
