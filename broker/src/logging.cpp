#include "logging_json_text.hpp"

#include <casc/broker/logging.hpp>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <charconv>
#include <memory>

namespace casc::broker {

namespace {

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "warn", "error"};

std::string_view name_of(LogLevel level) {
    return kLevelNames[static_cast<std::size_t>(level)];
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warn:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

// The process has one log. spdlog supplies the clock, the sink and its lock; the line itself is
// ours, so that text and JSON have the same fields.
struct Log {
    spdlog::logger logger{"casc", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
    std::atomic<LogFormat> format{LogFormat::text};

    Log() { use(LogFormat::text); }
    void use(LogFormat f) {
        format.store(f, std::memory_order_relaxed);
        constexpr auto kUtc = spdlog::pattern_time_type::utc;
        if (f == LogFormat::json) {
            logger.set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v})", kUtc);
        } else {
            logger.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %v", kUtc);
        }
    }
};

// Never destroyed: threads may still log while the process exits.
Log& the_log() {
    static Log& log = *new Log;
    return log;
}

std::string number_text(double value) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
}

struct TextOf {
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(double value) const { return number_text(value); }
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(std::uint64_t value) const { return std::to_string(value); }
    std::string operator()(std::string_view value) const {
        // A bare word needs no quotes; everything else is quoted as in JSON, so a value never
        // splits or forges a line.
        for (const char c : value) {
            const auto byte = static_cast<unsigned char>(c);
            const bool plain = byte > ' ' && byte < 0x7F && c != '"' && c != '\\' && c != '=';
            if (!plain) return json_string(value);
        }
        return value.empty() ? "\"\"" : std::string(value);
    }
};

struct JsonOf : TextOf {
    using TextOf::operator();
    std::string operator()(double value) const {
        return value - value == 0 ? number_text(value) : "null";
    }
    std::string operator()(std::string_view value) const { return json_string(value); }
};

std::string text_line(LogLevel level, std::string_view event,
                      std::initializer_list<LogField> fields) {
    std::string line(name_of(level));
    line.resize(6, ' ');
    line += event;
    for (const LogField& field : fields) {
        line.append(" ").append(field.key).append("=");
        line += std::visit(TextOf{}, field.value.get());
    }
    return line;
}

std::string json_line(LogLevel level, std::string_view event,
                      std::initializer_list<LogField> fields) {
    std::string line;
    line.append("\"level\":\"")
        .append(name_of(level))
        .append("\",\"event\":")
        .append(json_string(event));
    for (const LogField& field : fields) {
        line.append(",").append(json_string(field.key)).append(":");
        line += std::visit(JsonOf{}, field.value.get());
    }
    return line;
}

}  // namespace

void set_up_logging(LogLevel level, LogFormat format) {
    the_log().use(format);
    set_log_level(level);
}

void set_log_level(LogLevel level) {
    the_log().logger.set_level(spdlog_level(level));
}

bool log_enabled(LogLevel level) {
    return the_log().logger.should_log(spdlog_level(level));
}

void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    if (!log_enabled(level)) return;
    Log& log = the_log();
    const LogFormat format = log.format.load(std::memory_order_relaxed);
    log.logger.log(spdlog_level(level),
                   spdlog::string_view_t(render_log_line(format, level, event, fields)));
}

Result<LogLevel> parse_log_level(std::string_view name) {
    for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
        if (kLevelNames[i] == name) return static_cast<LogLevel>(i);
    }
    return Error(ErrorCode::invalid_config, "the log level is debug, info, warn or error");
}

Result<LogFormat> parse_log_format(std::string_view name) {
    if (name == "text") return LogFormat::text;
    if (name == "json") return LogFormat::json;
    return Error(ErrorCode::invalid_config, "the log format is text or json");
}

std::string render_log_line(LogFormat format, LogLevel level, std::string_view event,
                            std::initializer_list<LogField> fields) {
    return format == LogFormat::json ? json_line(level, event, fields)
                                     : text_line(level, event, fields);
}

}  // namespace casc::broker
