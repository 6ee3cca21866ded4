#include "client_fixture.hpp"

#include <casc/client/transaction.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::client;
using casc::test::ClientFixture;
using casc::test::event_for;
using casc::test::FakeBroker;
using casc::test::Verdict;

namespace {

// What a commit fails with, and how often the broker is asked, when it answers each try so.
struct Failed {
    ErrorCode code;
    std::size_t tries;
};

Failed commit(ClientFixture& fixture, const TransactorOptions& options,
              std::vector<Verdict> verdicts) {
    std::size_t tries = 0;
    const auto hooks = fixture.broker.on_request([&](const FakeBroker::Request& request) {
        if (request.api != wire::Api::atomic_write) return Verdict{};
        return verdicts[std::min(tries++, verdicts.size() - 1)];
    });
    auto transactor = fixture.client->make_transactor(options);
    REQUIRE(transactor);
    Transaction transaction(*transactor);
    REQUIRE(transaction.send("orders", event_for("paid")));
    const auto written = transaction.commit();
    REQUIRE_FALSE(written);
    return {written.error().code, fixture.broker.requests(wire::Api::atomic_write).size()};
}

TransactorOptions once() {
    TransactorOptions options;
    options.retries_refusals = false;
    return options;
}

constexpr Verdict kFull{Verdict::refuse, ErrorCode::disk_full};
constexpr Verdict kFenced{Verdict::refuse, ErrorCode::producer_fenced};

}  // namespace

TEST_CASE_FIXTURE(ClientFixture, "transaction: a refusal that may pass is asked again") {
    const Failed failed = commit(*this, {}, {kFull, kFull, kFenced});
    CHECK(failed.code == ErrorCode::producer_fenced);
    CHECK(failed.tries == 3);
}

// With little time left the last try was cut off, and nobody knew any more what had become of it.
TEST_CASE_FIXTURE(ClientFixture, "transaction: a refusal ends the commit where that is wanted") {
    const Failed failed = commit(*this, once(), {kFull, kFenced});
    CHECK(failed.code == ErrorCode::disk_full);
    CHECK(failed.tries == 1);
}

TEST_CASE_FIXTURE(ClientFixture,
                  "transaction: what nobody knows the end of is asked again, though refusals are "
                  "not") {
    const Failed failed = commit(*this, once(), {{Verdict::cut}, kFull, kFenced});
    CHECK(failed.code == ErrorCode::connection_closed);
    CHECK(failed.tries == 3);
}
