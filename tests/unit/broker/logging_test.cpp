// What a log line looks like, and that no value can break out of it.

#include <casc/broker/logging.hpp>
#include <casc/types/vocabulary.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace casc;
using namespace casc::broker;

namespace {

std::string text(std::initializer_list<LogField> fields) {
    return render_log_line(LogFormat::text, LogLevel::info, "event", fields);
}
std::string json(std::initializer_list<LogField> fields) {
    return render_log_line(LogFormat::json, LogLevel::warn, "event", fields);
}

}  // namespace

TEST_CASE("broker/logging: a text line is level, event name and key=value pairs") {
    CHECK(text({}) == "info  event");
    CHECK(text({{"endpoint", "127.0.0.1:7440"}, {"count", 3}, {"free", 12.5}, {"ok", true}}) ==
          "info  event endpoint=127.0.0.1:7440 count=3 free=12.5 ok=true");
}

TEST_CASE("broker/logging: ids, offsets and error codes print as what they are") {
    CHECK(
        text({{"topic", TopicId(7)}, {"offset", Offset(9)}, {"error", ErrorCode::unknown_topic}}) ==
        "info  event topic=7 offset=9 error=UNKNOWN_TOPIC");
}

TEST_CASE("broker/logging: values with spaces, quotes or line breaks are quoted") {
    CHECK(text({{"why", "no \"space\" left\nstop=1"}}) ==
          R"(info  event why="no \"space\" left\nstop=1")");
    CHECK(text({{"empty", ""}}) == R"(info  event empty="")");
}

TEST_CASE("broker/logging: the JSON fields carry the same values with their types") {
    CHECK(json({{"count", 3u}, {"back", -4}, {"ok", false}, {"name", "a\"b"}}) ==
          R"("level":"warn","event":"event","count":3,"back":-4,"ok":false,"name":"a\"b")");
}

TEST_CASE("broker/logging: bytes that are not UTF-8 never reach the line") {
    CHECK(json({{"bytes", std::string("\x16\x03\xFFz\xC3\xA9\xED\xA0\x80")}}) ==
          "\"level\":\"warn\",\"event\":\"event\",\"bytes\":"
          "\"\\u0016\\u0003\\ufffdz\xC3\xA9\\ufffd\\ufffd\\ufffd\"");
}

TEST_CASE("broker/logging: levels and formats have names, others are refused") {
    CHECK(parse_log_level("warn").value() == LogLevel::warn);
    CHECK(parse_log_format("json").value() == LogFormat::json);
    CHECK(parse_log_level("loud").error().code == ErrorCode::invalid_config);
    CHECK(parse_log_format("xml").error().code == ErrorCode::invalid_config);
}
