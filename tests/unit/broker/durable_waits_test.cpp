// Answers that wait for the journal.

#include "durable_waits.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace casc;
using namespace casc::broker;

namespace {

struct Waits {
    DurableWaits waits;
    std::vector<int> called;
    std::vector<ErrorCode> failures;

    void after(std::uint64_t sequence, int name) {
        waits.after(JournalSequence(sequence), [this, name](const Error* failure) {
            called.push_back(name);
            failures.push_back(failure == nullptr ? ErrorCode::ok : failure->code);
        });
    }
};

}  // namespace

TEST_CASE("broker/durable_waits: each is called once its sequence is durable, and once") {
    Waits w;
    w.after(1, 1);
    w.after(2, 2);
    w.after(2, 3);
    CHECK(w.called.empty());
    w.waits.release(JournalSequence(1));
    CHECK(w.called == std::vector{1});
    w.waits.release(JournalSequence(5));
    CHECK(w.called == std::vector{1, 2, 3});
    w.waits.release(JournalSequence(6));
    CHECK(w.called.size() == 3);
    CHECK(w.waits.size() == 0);
}

TEST_CASE("broker/durable_waits: what is durable already does not wait") {
    Waits w;
    w.waits.release(JournalSequence(7));
    w.after(7, 1);
    CHECK(w.called == std::vector{1});
}

TEST_CASE(
    "broker/durable_waits: a duplicate that waits for its original goes before what came in "
    "since") {
    Waits w;
    w.after(5, 5);
    w.after(8, 8);
    w.after(6, 6);
    w.after(5, 55);
    w.after(2, 2);
    w.waits.release(JournalSequence(6));
    CHECK(w.called == std::vector{2, 5, 55, 6});
}

TEST_CASE("broker/durable_waits: after a failure nothing waits for what will never be durable") {
    // A duplicate that came after the storage had failed used to wait for ever.
    Waits w;
    w.after(3, 1);
    w.waits.fail(Error(ErrorCode::storage_failed));
    w.after(3, 2);
    CHECK(w.called == std::vector{1, 2});
    CHECK(w.failures == std::vector{ErrorCode::storage_failed, ErrorCode::storage_failed});
    CHECK(w.waits.size() == 0);
}

TEST_CASE("broker/durable_waits: a callback may wait again") {
    Waits w;
    w.waits.after(JournalSequence(1), [&](const Error*) { w.after(2, 2); });
    w.waits.release(JournalSequence(1));
    CHECK(w.called.empty());
    w.waits.release(JournalSequence(2));
    CHECK(w.called == std::vector{2});
}

TEST_CASE("broker/durable_waits: many waits keep their order while the queue grows") {
    Waits w;
    for (int i = 1; i <= 1000; ++i) {
        w.after(static_cast<std::uint64_t>(i), i);
        if (i % 3 == 0) w.waits.release(JournalSequence(static_cast<std::uint64_t>(i / 3)));
    }
    w.waits.release(JournalSequence(1000));
    REQUIRE(w.called.size() == 1000);
    for (int i = 0; i < 1000; ++i)
        CHECK(w.called[static_cast<std::size_t>(i)] == i + 1);
}

TEST_CASE(
    "broker/inline_callback: large closures and move-only ones are called, moved and destroyed") {
    auto token = std::make_shared<int>(0);
    {
        std::array<std::shared_ptr<int>, 10> large;
        large.fill(token);
        DurableWaits::Callback callback(
            [large, only = std::make_unique<int>(1)](const Error*) { *large[9] += *only; });
        DurableWaits::Callback moved = std::move(callback);
        moved(nullptr);
        DurableWaits::Callback replaced([token](const Error*) { *token += 10; });
        replaced = std::move(moved);
        replaced(nullptr);
    }
    CHECK(*token == 2);
    CHECK(token.use_count() == 1);
}
