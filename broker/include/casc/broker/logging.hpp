#pragma once
// casc/broker/logging.hpp: one line per event, made for grep and for machines alike.
//
//   log_event(LogLevel::info, "listening", {{"endpoint", endpoint}, {"connections_max", 10'000u}});
//
//   text: 2026-01-31T12:00:00.250Z info  listening endpoint=127.0.0.1:7440 connections_max=10000
//   json:
//   {"time":"2026-01-31T12:00:00.250Z","level":"info","event":"listening","endpoint":"127.0.0.1:7440",...}
//
// The event name is a fixed lower-case word (snake_case) that never contains data; what varies is
// in the fields. Bytes that came from a peer may be passed as they are: control characters and
// invalid UTF-8 are escaped.

#include <casc/types/error.hpp>
#include <casc/types/result.hpp>

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

namespace casc::broker {

enum class LogLevel : std::uint8_t { debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };

// A borrowed value: lives for the call of log_event() only.
class LogValue {
public:
    LogValue(bool value) : value_(value) {}              // NOLINT: implicit by design
    LogValue(double value) : value_(value) {}            // NOLINT: implicit by design
    LogValue(std::string_view value) : value_(value) {}  // NOLINT: implicit by design
    LogValue(const std::string& value)
        : value_(std::string_view(value)) {}                          // NOLINT: implicit by design
    LogValue(const char* value) : value_(std::string_view(value)) {}  // NOLINT: implicit by design
    LogValue(std::signed_integral auto value)
        : value_(std::int64_t{value}) {}         // NOLINT: implicit by design
    LogValue(std::unsigned_integral auto value)  // NOLINT: implicit by design
        requires(!std::same_as<decltype(value), bool>)
        : value_(std::uint64_t{value}) {}
    LogValue(ErrorCode code) : value_(to_string(code)) {}  // NOLINT: implicit by design
    // The strong types of the vocabulary: TopicId, Offset, ...
    template <class Strong>
    requires std::integral<typename Strong::rep> LogValue(Strong value)
        : LogValue(value.value()) {}  // NOLINT: implicit by design

    using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view>;
    [[nodiscard]] const Value& get() const { return value_; }

private:
    Value value_;
};

struct LogField {
    std::string_view key;
    LogValue value;
};

// Where lines go and which: to stderr, text, info until this is called. Thread: main, before others
// are started.
void set_up_logging(LogLevel level, LogFormat format);

// Takes effect for the next line. Thread: any.
void set_log_level(LogLevel level);

// For fields that cost something to compute. Thread: any.
[[nodiscard]] bool log_enabled(LogLevel level);

// Writes the line if the level is on. Blocks for the write to stderr, so not for every event:
// connections, topics, groups and troubles are what is logged. Thread: any.
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// "debug", "info", "warn", "error"; "text", "json". Fails with invalid_config.
[[nodiscard]] Result<LogLevel> parse_log_level(std::string_view name);
[[nodiscard]] Result<LogFormat> parse_log_format(std::string_view name);

// The line without its time, as log_event() would write it. For tests.
[[nodiscard]] std::string render_log_line(LogFormat format, LogLevel level, std::string_view event,
                                          std::initializer_list<LogField> fields);

}  // namespace casc::broker
