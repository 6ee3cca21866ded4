#pragma once
// A broker with one topic, for members of queue groups.

#include "queue_member.hpp"

#include <memory>

namespace casc::test {

struct QueueFixture {
    TestBroker broker;
    std::unique_ptr<RawConnection> raw;
    std::uint32_t topic = 0;

    QueueFixture() {
        connect_again();
        topic = create_topic(*raw, "t");
    }
    void connect_again() {
        raw = std::make_unique<RawConnection>(broker.endpoint());
        raw->hello();
    }
    void fill(const std::vector<std::string>& texts, Lane lane = Lane::normal,
              wire::FinishOptions options = {}) {
        must(produce(*raw, topic, batch_of(texts, lane, options)));
    }
    static std::vector<std::string> numbered(int count, int from = 0) {
        std::vector<std::string> texts;
        for (int i = 0; i < count; ++i)
            texts.push_back(std::to_string(from + i));
        return texts;
    }
    fb::QueueLogT log(const std::string& group, Lane lane = Lane::normal) {
        fb::DescribeQueueT request;
        request.group = group;
        const auto reply = must(raw->call(request));
        for (const auto& log : reply.logs)
            if (log->lane == static_cast<std::uint8_t>(lane)) return *log;
        FAIL("the group does not know the lane");
        return {};
    }
    template <class Condition>
    void wait_for(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!condition())
            REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
};

}  // namespace casc::test
