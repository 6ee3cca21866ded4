#include <casc/wire/messages.hpp>

#include <doctest/doctest.h>

using namespace casc;
using namespace casc::wire;

TEST_CASE("wire/messages: a message survives encode and decode") {
    Encoder encoder;
    fb::CreateTopicT request;
    request.name = "orders";
    request.settings = std::make_unique<fb::TopicSettingsT>();
    request.settings->partitions = 3;
    const auto decoded = decode<fb::CreateTopic>(encoder.encode(request));
    REQUIRE(decoded);
    CHECK(decoded->name == "orders");
    CHECK(decoded->settings->partitions == 3u);
    CHECK_FALSE(decoded->settings->retention_ms.has_value());
}

TEST_CASE("wire/messages: bytes that are no message are refused") {
    const std::vector<std::byte> garbage(64, std::byte{0xFF});
    CHECK(decode<fb::Hello>(garbage).error().code == ErrorCode::malformed_message);
    CHECK(decode<fb::Hello>({}).error().code == ErrorCode::malformed_message);
}

TEST_CASE("wire/messages: a cut message is refused, wherever it is cut") {
    Encoder encoder;
    fb::HelloT hello;
    hello.client_id = "someone";
    hello.software = "casc-cpp";
    const auto whole = encoder.encode(hello);
    for (std::size_t bytes = 0; bytes + 8 < whole.size(); ++bytes) CHECK_FALSE(decode<fb::Hello>(whole.first(bytes)));
}
