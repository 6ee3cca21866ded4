// Atomic writes: batches, positions and settled events, all or nothing.

#include "log_reader.hpp"
#include "queue_member.hpp"

#include <casc/wire/crc32c.hpp>

#include <csignal>
#include <cstring>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

struct AtomicFixture {
    TestBroker broker;
    std::unique_ptr<RawConnection> raw;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::vector<std::byte> attachments;
    fb::AtomicWriteT request;

    AtomicFixture() {
        connect_again();
        a = create_topic(*raw, "t");
        b = create_topic(*raw, "u");
    }
    void connect_again() {
        raw = std::make_unique<RawConnection>(broker.endpoint());
        raw->hello();
    }
    void begin() {
        request = {};
        attachments.clear();
    }
    void add(std::uint32_t topic, const Texts& texts, wire::FinishOptions options = {},
             Lane lane = Lane::normal) {
        auto& part = request.batches.emplace_back(std::make_unique<fb::AtomicBatchT>());
        part->topic_id = topic;
        const auto batch = batch_of(texts, lane, options);
        attachments.insert(attachments.end(), batch.begin(), batch.end());
    }
    void commit(const std::string& group, std::uint32_t topic, std::uint64_t offset) {
        auto& part = request.commits.emplace_back(std::make_unique<fb::CommitT>());
        part->group = group;
        auto& position = part->positions.emplace_back(std::make_unique<fb::PartitionPositionT>());
        position->topic_id = topic;
        position->lane = 2;
        position->offset = offset;
    }
    Result<fb::AtomicWriteReplyT> write() { return raw->call(request, attachments); }
    std::uint64_t committed(const std::string& group) {
        fb::CommittedT ask;
        ask.group = group;
        const auto reply = must(raw->call(ask));
        return reply.positions.empty() ? 0 : reply.positions.front()->offset;
    }
    wire::FinishOptions producer() {
        const auto identity = must(raw->call(fb::InitProducerT{}));
        return {.producer_id = ProducerId(identity.producer_id), .producer_epoch = identity.epoch};
    }
};

}  // namespace

TEST_CASE_FIXTURE(AtomicFixture, "broker/atomic: batches and positions are written together") {
    must(produce(*raw, a, batch_of({"in"})));
    add(a, {"1", "2"});
    add(b, {"3"});
    add(b, {"4"}, {}, Lane::critical);
    commit("g", a, 1);
    const auto reply = must(write());
    REQUIRE(reply.batches.size() == 3);
    CHECK(reply.batches[0]->base_offset == 1);
    CHECK(reply.batches[1]->base_offset == 0);
    CHECK(reply.batches[1]->level == static_cast<std::uint8_t>(Acks::durable));
    CHECK(read_log(*raw, a) == Texts{"in", "1", "2"});
    CHECK(read_log(*raw, b) == Texts{"3"});
    CHECK(read_log(*raw, b, Lane::critical) == Texts{"4"});
    CHECK(committed("g") == 1);
    broker.kill_hard();
    broker.restart();
    connect_again();
    CHECK(read_log(*raw, a) == Texts{"in", "1", "2"});
    CHECK(committed("g") == 1);
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "broker/atomic: a part that is refused leaves nothing of the others") {
    must(produce(*raw, a, batch_of({"in"})));
    begin();
    add(a, {"1"});
    add(999, {"2"});
    CHECK(code_of(write()) == ErrorCode::unknown_topic);
    begin();
    add(a, {"1"});
    commit("g", a, 100);
    CHECK(code_of(write()) == ErrorCode::offset_out_of_range);
    begin();
    add(a, {"1"});
    add(b, {"2"}, {.producer_id = ProducerId(77'777)});
    CHECK(code_of(write()) == ErrorCode::unknown_producer);
    begin();
    add(a, {"1"});
    auto& settle = request.settles.emplace_back(std::make_unique<fb::SettleT>());
    settle->subscription_id = 5;
    CHECK(code_of(write()) == ErrorCode::unknown_subscription);
    CHECK(read_log(*raw, a) == Texts{"in"});
    CHECK(read_log(*raw, b).empty());
}

TEST_CASE_FIXTURE(AtomicFixture, "broker/atomic: what makes no sense is refused with a reason") {
    CHECK(code_of(write()) == ErrorCode::invalid_request);  // nothing
    add(a, {"1"});
    add(a, {"2"});
    CHECK(code_of(write()) == ErrorCode::invalid_request);  // two for one log
    begin();
    add(a, {"1"});
    const auto more = batch_of({"?"});
    attachments.insert(attachments.end(), more.begin(), more.end());
    CHECK(code_of(write()) == ErrorCode::invalid_request);  // one that is not named
    begin();
    add(a, {"1"});
    attachments.clear();
    CHECK(code_of(write()) == ErrorCode::batch_malformed);
    begin();
    add(a, {"1"});
    attachments.back() ^= std::byte{1};
    attachments[100] ^= std::byte{1};
    CHECK(write().error().code != ErrorCode::ok);
    begin();
    const std::uint32_t fast = create_topic(*raw, "fast", in_memory);
    add(fast, {"1"});
    CHECK(code_of(write()) == ErrorCode::not_supported);
    begin();
    for (int i = 0; i < 1025; ++i)
        request.batches.push_back(std::make_unique<fb::AtomicBatchT>());
    CHECK(code_of(write()) == ErrorCode::invalid_request);
    begin();
    // One vector of words, said many times.
    for (int i = 0; i < 200; ++i) {
        auto& settle = request.settles.emplace_back(std::make_unique<fb::SettleT>());
        auto& log = settle->logs.emplace_back(std::make_unique<fb::LogVerdictsT>());
        log->done.resize(100);
    }
    CHECK(code_of(write()) == ErrorCode::invalid_request);
    CHECK(read_log(*raw, a).empty());
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "broker/atomic: written again it is a duplicate, and does nothing else either") {
    must(produce(*raw, b, batch_of({"x", "y"})));
    const wire::FinishOptions as = producer();
    add(a, {"1", "2"}, as);
    commit("g", b, 1);
    must(write());
    fb::CommitT later;
    later.group = "g";
    auto& position = later.positions.emplace_back(std::make_unique<fb::PartitionPositionT>());
    position->topic_id = b;
    position->lane = 2;
    position->offset = 2;
    must(raw->call(later));
    for (int again = 0; again < 2; ++again) {
        const auto reply = must(write());
        CHECK(reply.batches.at(0)->duplicate);
        CHECK(reply.batches.at(0)->base_offset == 0);
        CHECK(committed("g") == 2);  // not back to 1
        broker.kill_hard();
        broker.restart();
        connect_again();
    }
    CHECK(read_log(*raw, a) == Texts{"1", "2"});
    // With something new beside it: that is not what was written.
    add(b, {"3"}, as);
    CHECK(code_of(write()) == ErrorCode::invalid_request);
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "broker/atomic: events of a queue are done with what came of them") {
    must(produce(*raw, a, batch_of({"0", "1", "2", "3"})));
    QueueMember anna(broker);
    anna.topic = a;
    anna.join("g");
    const auto events = anna.take(4);
    begin();
    add(b, {"of 0 and 2"});
    request.settles.push_back(
        std::make_unique<fb::SettleT>(anna.done_request({events[0], events[2]})));
    const auto reply = must(anna.call(request, attachments));
    CHECK(reply.batches.size() == 1);
    CHECK(read_log(*raw, b) == Texts{"of 0 and 2"});
    // Settled is settled.
    CHECK(code_of(anna.call(request, attachments)) == ErrorCode::lease_lost);
    CHECK(anna.done({events[0]}).refused.size() == 1);
    begin();
    add(b, {"of 1"});
    request.settles.push_back(
        std::make_unique<fb::SettleT>(anna.done_request({events[0], events[1]})));
    CHECK(code_of(anna.call(request, attachments)) == ErrorCode::lease_lost);
    // Other verdicts have no place here.
    request.settles.front() = std::make_unique<fb::SettleT>(anna.done_request({events[1]}));
    request.settles.front()->renew_all = true;
    CHECK(code_of(anna.call(request, attachments)) == ErrorCode::not_supported);
    request.settles.front()->renew_all = false;
    request.settles.push_back(std::make_unique<fb::SettleT>(anna.done_request({events[1]})));
    CHECK(code_of(anna.call(request, attachments)) == ErrorCode::invalid_request);
    CHECK(read_log(*raw, b) == Texts{"of 0 and 2"});
    broker.kill_hard();
    broker.restart();
    connect_again();
    QueueMember bert(broker);
    bert.topic = a;
    bert.join("g");
    const auto left = bert.take(2);
    CHECK(left[0].text == "1");
    CHECK(left[1].text == "3");
    CHECK(bert.held() == 0);
}

TEST_CASE_FIXTURE(AtomicFixture, "broker/atomic: a crash leaves all of a write, or nothing") {
    const std::string last(3000, 'z');
    for (int round = 0; round < 6; ++round) {
        const Texts before_a = read_log(*raw, a);
        const Texts before_b = read_log(*raw, b);
        REQUIRE(before_a.size() == before_b.size());
        broker.terminate();
        broker.options().environment["CASC_FAIL_POINT"] =
            round % 2 == 0 ? "atomic.write:" + std::to_string(1 + round * 3)
                           : "journal.written:" + std::to_string(2 + round * 4);
        broker.start();
        broker.options().environment.clear();
        connect_again();
        std::size_t acknowledged = before_a.size();
        for (int i = 0; i < 1000; ++i) {
            begin();
            add(a, {std::to_string(acknowledged) + last});
            add(b, {std::to_string(acknowledged) + last});
            commit("g", a, acknowledged);
            if (!write()) break;
            ++acknowledged;
        }
        CHECK(broker.wait_exit().signal == SIGKILL);
        broker.restart();
        connect_again();
        const Texts in_a = read_log(*raw, a);
        CHECK(in_a == read_log(*raw, b));
        CHECK(in_a.size() >= acknowledged);
        CHECK(in_a.size() <= acknowledged + 1);
        if (!in_a.empty()) CHECK(committed("g") == in_a.size() - 1);
    }
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "broker/atomic: when there is nothing to write it is answered all the same") {
    auto& commit = request.commits.emplace_back(std::make_unique<fb::CommitT>());
    commit->group = "g";
    must(write());
    QueueMember anna(broker);
    anna.topic = a;
    anna.join("q");
    begin();
    auto& settle = request.settles.emplace_back(std::make_unique<fb::SettleT>());
    settle->subscription_id = 1;
    must(anna.call(request));
}

TEST_CASE_FIXTURE(
    AtomicFixture,
    "broker/atomic: a batch that is larger compressed than not is counted as it is stored") {
    const std::string text(600'000, 'x');
    std::vector<std::byte> plain;
    wire::BatchBuilder builder(Lane::normal);
    builder.add({.payload = std::as_bytes(std::span(text)),
                 .deliver_at = EpochNanos(4'000'000'000'000'000'000)},
                EpochNanos(1));
    builder.finish({}, plain);
    // The compressed format allows to say everything literally, which takes more.
    std::vector<std::byte> packed{std::byte{0xF0}};
    std::size_t length = text.size() - 15;
    for (; length >= 255; length -= 255)
        packed.push_back(std::byte{255});
    packed.push_back(std::byte(static_cast<unsigned char>(length)));
    const auto literal = std::as_bytes(std::span(text));
    packed.insert(packed.end(), literal.begin(), literal.end());

    wire::BatchStamp stamp;
    wire::BatchHeader header;
    std::memcpy(static_cast<void*>(&stamp), plain.data(), sizeof stamp);
    std::memcpy(static_cast<void*>(&header), plain.data() + sizeof stamp, sizeof header);
    header.codec = wire::Codec::lz4;
    header.stored_payload_bytes = static_cast<std::uint32_t>(packed.size());
    std::vector<std::byte> batch(
        plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(wire::kBatchOverheadBytes +
                                                                   header.columns_bytes));
    batch.insert(batch.end(), packed.begin(), packed.end());
    batch.resize((batch.size() + 7) / 8 * 8);
    stamp.batch_bytes = static_cast<std::uint32_t>(batch.size());
    std::memcpy(batch.data() + sizeof stamp, &header, sizeof header);
    stamp.body_crc = wire::crc32c(std::span(batch).subspan(sizeof stamp));
    std::memcpy(batch.data(), &stamp, sizeof stamp);
    REQUIRE(batch.size() > plain.size() + 1000);

    auto& part = request.batches.emplace_back(std::make_unique<fb::AtomicBatchT>());
    part->topic_id = a;
    attachments = batch;
    add(b, {"beside it"});
    CHECK(must(write()).batches.at(0)->scheduled.size() == 1);
    CHECK(read_log(*raw, b) == Texts{"beside it"});
}

TEST_CASE_FIXTURE(AtomicFixture,
                  "broker/atomic: many events of a group in order of keys are done at once, and "
                  "those behind them follow") {
    constexpr std::size_t keys = 300;
    std::vector<std::pair<std::string, std::string>> firsts;
    std::vector<std::pair<std::string, std::string>> seconds;
    for (std::size_t i = 0; i < keys; ++i) {
        firsts.emplace_back("k" + std::to_string(i), "first");
        seconds.emplace_back("k" + std::to_string(i), "second");
    }
    must(produce(*raw, a, keyed_batch_of(firsts)));
    must(produce(*raw, a, keyed_batch_of(seconds, Lane::high)));
    QueueMember anna(broker);
    anna.topic = a;
    auto join = anna.join_request("g", 1000);
    join.settings->order = 1;
    must(anna.call(join));
    const auto taken = anna.take(keys);
    fb::AtomicWriteT write;
    auto& part = write.batches.emplace_back(std::make_unique<fb::AtomicBatchT>());
    part->topic_id = b;
    write.settles.push_back(std::make_unique<fb::SettleT>(anna.done_request(taken)));
    must(anna.call(write, batch_of({"all done"})));
    const auto others = anna.take(keys);
    CHECK(anna.held() == 0);
    CHECK(others.front().text != taken.front().text);
    CHECK(anna.done(others).refused.empty());
    CHECK(read_log(*raw, b) == Texts{"all done"});
}
