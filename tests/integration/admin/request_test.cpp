// casc-admin request and service, against a real broker.

#include "admin_run.hpp"

#include <casc/client/client.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace casc;
using namespace casc::test;
using namespace std::chrono_literals;

namespace {

// Answers what it is asked, in capitals when the type says so; "no" is refused.
struct ServedFixture : AdminFixture {
    ServedFixture() {
        client::ClientOptions options;
        options.endpoints = {broker.endpoint()};
        auto connected = client::Client::connect(options);
        REQUIRE(connected);
        client_ = *std::move(connected);
        for (const char* subject : {"echo", "echo", "other"}) {
            auto served = client_->serve({.subject = subject});
            REQUIRE(served);
            responders_.push_back(*std::move(served));
        }
        thread_ = std::thread([this] {
            while (!stopping_)
                for (client::Responder& responder : responders_) {
                    const auto requests = responder.poll(10, 1ms);
                    if (!requests) return;
                    for (const client::ReceivedRequest& request : *requests)
                        answer(responder, request);
                }
        });
    }
    ~ServedFixture() {
        stopping_ = true;
        thread_.join();
    }
    static void answer(client::Responder& responder, const client::ReceivedRequest& request) {
        const auto payload = request.event.payload;
        std::string text(reinterpret_cast<const char*>(payload.data()), payload.size());
        if (text == "no") {
            static_cast<void>(
                responder.fail(request.id, {ErrorCode::responder_failed, "I will not"}));
            return;
        }
        if (request.event.type == "loud")
            for (char& c : text)
                c = static_cast<char>(std::toupper(c));
        static_cast<void>(
            responder.answer(request.id, {.payload = std::as_bytes(std::span(text))}));
    }

    std::unique_ptr<client::Client> client_;
    std::vector<client::Responder> responders_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace

TEST_CASE_FIXTURE(ServedFixture,
                  "admin/request: prints the answer as it is, from an argument or from stdin") {
    CHECK(run({"request", "echo", "hello"}).out == "hello\n");
    CHECK(run({"request", "echo", "--type", "loud"}, "line\n").out == "LINE\n");
    CHECK(run({"request", "echo", "hello", "--lane", "critical"}).code == 0);
}

TEST_CASE_FIXTURE(ServedFixture, "admin/request: says why there is no answer") {
    const auto failed = run({"request", "echo", "no"});
    CHECK(failed.code == 1);
    CHECK(failed.err.find("I will not") != std::string::npos);
    const auto nobody = run({"request", "nobody", "hello"});
    CHECK(nobody.code == 5);
    CHECK(nobody.err.find("service ls") != std::string::npos);
    CHECK(run({"request", "echo", "x", "--quorum", "1"}).code == 2);  // only with --all
}

TEST_CASE_FIXTURE(ServedFixture, "admin/request: --all has a row for each responder") {
    const auto rows = json({"request", "echo", "hi", "--all"});
    REQUIRE(rows.as_array().size() == 2);
    CHECK(rows.at(0).at("answer") == "hi");
    CHECK(rows.at(0).at("responder") != rows.at(1).at("responder"));
    CHECK(run({"request", "echo", "no", "--all"}).code == 7);
}

TEST_CASE_FIXTURE(ServedFixture, "admin/service: ls shows what is served") {
    run({"request", "echo", "hello"});
    const auto rows = json({"service", "ls"});
    REQUIRE(rows.as_array().size() == 2);
    CHECK(rows.at(0).at("subject") == "echo");
    CHECK(rows.at(0).at("responders") == 2);
    CHECK(rows.at(0).at("served") == 1);
    CHECK(json({"service", "ls", "oth"}).as_array().size() == 1);
}
