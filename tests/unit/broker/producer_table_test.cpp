// Deduplication, over a real store.

#include "producer_table.hpp"

#include "store_folder.hpp"

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::broker;

namespace {

constexpr std::uint32_t kWindow = 64;

// Five verbs: init, send, verdict, refusal, restart.
struct ProducerFixture {
    StoreFolder at;
    std::unique_ptr<ProducerTable> table = std::make_unique<ProducerTable>(*at.store);
    const LogId log{TopicId(1), PartitionId(0), Lane::normal};

    ProducerTable::Identity init(std::string_view name = {}) {
        const auto identity = table->init(name);
        REQUIRE(identity);
        return *identity;
    }
    static wire::BatchHeader header(const ProducerTable::Identity& who, std::uint32_t sequence,
                                    std::uint32_t events) {
        wire::BatchHeader header{};
        header.producer_id = who.id.value();
        header.producer_epoch = who.epoch;
        header.base_sequence = sequence;
        header.event_count = events;
        return header;
    }
    // What the produce path does with a batch; the offset it has, of the first time when it is a
    // duplicate.
    Result<Offset> send(const ProducerTable::Identity& who, std::uint32_t sequence,
                        std::uint32_t events = 1) {
        const auto batch = header(who, sequence, events);
        CASC_TRY(const auto check, table->check(log, batch));
        if (check.verdict == ProducerTable::Verdict::duplicate) return check.base;
        const auto ticket = at.append(log, batch_of(events));
        CASC_TRY_VOID(table->remember(log, batch, ticket, EpochNanos(++now)));
        return ticket.base;
    }
    Offset offset(const ProducerTable::Identity& who, std::uint32_t sequence,
                  std::uint32_t events = 1) {
        const auto sent = send(who, sequence, events);
        REQUIRE_MESSAGE(sent, sent.error().message());
        return *sent;
    }
    ErrorCode refusal(const ProducerTable::Identity& who, std::uint32_t sequence,
                      std::uint32_t events = 1) {
        const auto sent = send(who, sequence, events);
        return sent ? ErrorCode::ok : sent.error().code;
    }
    bool is_duplicate(const ProducerTable::Identity& who, std::uint32_t sequence,
                      std::uint32_t events = 1) {
        const auto check = table->check(log, header(who, sequence, events));
        return check && check->verdict == ProducerTable::Verdict::duplicate;
    }
    void restart() {
        at.restart();
        table = std::make_unique<ProducerTable>(*at.store);
        table->load();
    }
    std::int64_t now = 0;
};

}  // namespace

TEST_CASE("broker/producer_table: batches that continue the count are new") {
    ProducerFixture f;
    const auto who = f.init();
    CHECK(f.offset(who, 0, 3) == Offset(0));
    CHECK(f.offset(who, 3, 2) == Offset(3));
    CHECK(f.offset(who, 5) == Offset(5));
}

TEST_CASE("broker/producer_table: a duplicate is answered with the offset of the first time") {
    ProducerFixture f;
    const auto who = f.init();
    for (std::uint32_t i = 0; i < 10; ++i)
        REQUIRE(f.send(who, 2 * i, 2));
    CHECK(f.is_duplicate(who, 8, 2));
    CHECK(f.offset(who, 8, 2) == Offset(8));
    CHECK(f.offset(who, 20, 2) == Offset(20));  // and the count went on where it was
}

TEST_CASE("broker/producer_table: a batch that leaves a gap is refused, the missing one is not") {
    ProducerFixture f;
    const auto who = f.init();
    REQUIRE(f.send(who, 0, 2));
    CHECK(f.refusal(who, 3) == ErrorCode::sequence_gap);
    CHECK(f.refusal(who, 2) == ErrorCode::ok);
    CHECK(f.refusal(who, 3) == ErrorCode::ok);
}

TEST_CASE("broker/producer_table: the first batch of an unknown window has number 0") {
    ProducerFixture f;
    const auto who = f.init();
    CHECK(f.refusal(who, 5) == ErrorCode::sequence_gap);
    CHECK(f.refusal(who, 0) == ErrorCode::ok);
}

TEST_CASE("broker/producer_table: the last 64 batches are recognised, older ones are refused") {
    ProducerFixture f;
    const auto who = f.init();
    for (std::uint32_t i = 0; i < kWindow + 6; ++i)
        REQUIRE(f.send(who, i));
    CHECK(f.refusal(who, 5) == ErrorCode::sequence_too_old);
    CHECK(f.is_duplicate(who, 6));
    CHECK(f.is_duplicate(who, kWindow + 5));
}

TEST_CASE(
    "broker/producer_table: a repeated batch that was cut otherwise is not taken for the old one") {
    ProducerFixture f;
    const auto who = f.init();
    REQUIRE(f.send(who, 0, 4));
    CHECK(f.refusal(who, 0, 3) == ErrorCode::sequence_too_old);
    CHECK(f.refusal(who, 2, 2) == ErrorCode::sequence_too_old);
}

TEST_CASE("broker/producer_table: the count goes around at 2^32") {
    ProducerFixture f;
    const auto who = f.init();
    // Two steps of almost half the range bring the count near its end without four thousand million
    // events.
    constexpr std::uint32_t half = 0x7fff'fff0u;
    const auto jump = [&](std::uint32_t from, std::uint32_t events) {
        const auto ticket = f.at.append(f.log, batch_of(1));
        REQUIRE(f.table->check(f.log, ProducerFixture::header(who, from, events)));
        REQUIRE(f.table->remember(f.log, ProducerFixture::header(who, from, events), ticket,
                                  EpochNanos(1)));
    };
    jump(0, half);
    jump(half, half);
    CHECK(f.refusal(who, 2 * half, 0x30) == ErrorCode::ok);  // ends behind 0
    CHECK(f.refusal(who, 0x10) == ErrorCode::ok);
    CHECK(f.is_duplicate(who, 2 * half, 0x30));
    CHECK(f.refusal(who, 0x20) == ErrorCode::sequence_gap);
}

TEST_CASE("broker/producer_table: every log has a count of its own") {
    ProducerFixture f;
    const auto who = f.init();
    REQUIRE(f.send(who, 0));
    const LogId other(TopicId(1), PartitionId(0), Lane::critical);
    CHECK(f.table->check(other, ProducerFixture::header(who, 0, 1))->verdict ==
          ProducerTable::Verdict::fresh);
    CHECK_FALSE(f.table->check(other, ProducerFixture::header(who, 1, 1)));
}

TEST_CASE("broker/producer_table: an identity that was never given out is unknown") {
    ProducerFixture f;
    CHECK(f.refusal({ProducerId(7), 1, {}}, 0) == ErrorCode::unknown_producer);
}

TEST_CASE(
    "broker/producer_table: identities without a name are different, those with one come back "
    "newer") {
    ProducerFixture f;
    CHECK(f.init().id != f.init().id);
    const auto first = f.init("till-3");
    const auto second = f.init("till-3");
    CHECK(second.id == first.id);
    CHECK(second.epoch == first.epoch + 1);
}

TEST_CASE("broker/producer_table: a newer instance fences the older one and begins at 0") {
    ProducerFixture f;
    const auto old = f.init("till-3");
    REQUIRE(f.send(old, 0));
    const auto fresh = f.init("till-3");
    CHECK(f.refusal(old, 1) == ErrorCode::producer_fenced);
    CHECK(f.refusal(fresh, 1) == ErrorCode::sequence_gap);
    CHECK(f.offset(fresh, 0) == Offset(1));
    CHECK(f.refusal(old, 0) == ErrorCode::producer_fenced);
}

TEST_CASE("broker/producer_table: everything is known again after a restart") {
    ProducerFixture f;
    const auto unnamed = f.init();
    const auto named = f.init("till-3");
    for (std::uint32_t i = 0; i < kWindow + 10; ++i)
        REQUIRE(f.send(unnamed, 2 * i, 2));
    REQUIRE(f.send(named, 0));
    f.at.settle();
    f.restart();
    const auto last = 2 * (kWindow + 9);
    CHECK(f.offset(unnamed, last, 2) == Offset(last));
    CHECK(f.is_duplicate(unnamed, last, 2));
    CHECK(f.is_duplicate(unnamed, 2 * 10, 2));
    CHECK(f.refusal(unnamed, 2 * 9, 2) == ErrorCode::sequence_too_old);
    CHECK(f.refusal(unnamed, last + 2, 2) == ErrorCode::ok);
    CHECK(f.is_duplicate(named, 0));
    CHECK(f.init().id.value() > named.id.value());
    CHECK(f.init("till-3").epoch == named.epoch + 1);
}

TEST_CASE("broker/producer_table: after a restart the rows of an older epoch mean nothing") {
    ProducerFixture f;
    const auto old = f.init("till-3");
    for (std::uint32_t i = 0; i < 10; ++i)
        REQUIRE(f.send(old, i));
    const auto fresh = f.init("till-3");
    REQUIRE(f.send(fresh, 0));
    f.at.settle();
    f.restart();
    CHECK(f.is_duplicate(fresh, 0));
    CHECK_FALSE(f.is_duplicate(fresh, 5));
    CHECK(f.refusal(fresh, 1) == ErrorCode::ok);
    CHECK(f.refusal(old, 10) == ErrorCode::producer_fenced);
}

TEST_CASE("broker/producer_table: what is not used expires, for good") {
    ProducerFixture f;
    const auto who = f.init();
    REQUIRE(f.send(who, 0));
    f.table->expire(EpochNanos(f.now));
    CHECK(f.table->size() == 1);
    f.table->expire(EpochNanos(f.now + 1));
    CHECK(f.table->size() == 0);
    CHECK(f.refusal(who, 1) == ErrorCode::sequence_gap);
    f.at.settle();
    f.restart();
    CHECK(f.table->size() == 0);
}

TEST_CASE("broker/producer_table: a topic that is gone takes its windows along") {
    ProducerFixture f;
    const auto who = f.init();
    REQUIRE(f.send(who, 0));
    f.table->forget_topic(TopicId(2));
    CHECK(f.table->size() == 1);
    f.table->forget_topic(TopicId(1));
    CHECK(f.table->size() == 0);
}
