#include <casc/inference/model_settings.hpp>

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <variant>

namespace casc::inference {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::int64_t kMinute = 60'000;

// Where a value goes, and what it may be.
using Member =
    std::variant<std::string*, std::uint32_t*, std::uint64_t*, milliseconds*, nanoseconds*>;
struct Key {
    std::string_view name;
    Member member;
    std::int64_t min = 0;
    std::int64_t max = 0;
};

auto keys_of(ModelSettings& settings) {
    constexpr std::int64_t kTokensMax = 1 << 24;
    gpu::BatchPolicy& batches = settings.batches;
    return std::array{
        Key{"topic", &settings.topic},
        Key{"results", &settings.results},
        Key{"group", &settings.group},
        Key{"subject", &settings.subject},
        Key{"backend", &settings.backend},
        Key{"timeout_ms", &settings.timeout, 1, 24 * 60 * kMinute},
        Key{"max_batch", &batches.max_batch, 1, 4096},
        Key{"max_wait_ms", &batches.max_wait, 0, kMinute},
        Key{"queue_capacity", &batches.queue_capacity, 1, 1 << 20},
        Key{"step_objective_ms", &batches.step_objective, 0, kMinute},
        Key{"context_tokens", &settings.context_tokens, 0, kTokensMax},
        Key{"prompt_tokens_per_step", &settings.prompt_tokens_per_step, 1, kTokensMax},
        Key{"threads", &settings.threads, 0, 1024},
        Key{"memory_max_bytes", &settings.memory_max_bytes, 1,
            std::numeric_limits<std::int64_t>::max()},
    };
}

class Reader {
public:
    explicit Reader(std::string_view file) : file_(file) {}

    Result<void> read(const toml::table& table, ModelSettings& settings) const {
        const auto keys = keys_of(settings);
        for (const auto& [key_name, node] : table) {
            const std::string_view name = key_name.str();
            const auto found = std::find_if(keys.begin(), keys.end(),
                                            [name](const Key& key) { return key.name == name; });
            if (found == keys.end()) return unknown(name, keys, node);
            CASC_TRY_VOID(set(*found, node));
        }
        return check(settings);
    }
    [[nodiscard]] Error wrong(const toml::source_position& at, std::string what) const {
        return {ErrorCode::invalid_config,
                std::string(file_) + ':' + std::to_string(at.line) + ": " + std::move(what)};
    }

private:
    template <class Keys>
    Error unknown(std::string_view name, const Keys& keys, const toml::node& node) const {
        std::string known;
        for (const Key& key : keys)
            known += (known.empty() ? "" : ", ") + std::string(key.name);
        return wrong(node.source().begin,
                     "'" + std::string(name) + "' is not known; there are " + known);
    }

    Result<void> set(const Key& key, const toml::node& node) const {
        const auto complain = [&](const std::string& what) {
            return wrong(node.source().begin, "'" + std::string(key.name) + "' must be " + what);
        };
        if (auto* const* text = std::get_if<std::string*>(&key.member)) {
            const auto value = node.value_exact<std::string>();
            if (!value) return complain("a text in quotes");
            **text = *value;
            return {};
        }
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < key.min || *value > key.max)
            return complain("a whole number from " + std::to_string(key.min) + " to " +
                            std::to_string(key.max));
        std::visit([&](auto* member) { assign(*member, *value); }, key.member);
        return {};
    }

    template <class Number>
    static void assign(Number& member, std::int64_t value) {
        if constexpr (std::is_same_v<Number, nanoseconds> || std::is_same_v<Number, milliseconds>)
            member = milliseconds(value);
        else if constexpr (std::is_integral_v<Number>)
            member = static_cast<Number>(value);
    }

    Result<void> check(const ModelSettings& settings) const {
        const auto refuse = [&](std::string what) {
            return Error(ErrorCode::invalid_config, std::string(file_) + ": " + std::move(what));
        };
        if (settings.backend != "auto" && settings.backend != "cpu")
            return refuse("there is no backend '" + settings.backend + "'; there are auto and cpu");
        if (settings.topic.empty() != settings.results.empty())
            return refuse("'topic' and 'results' go together: answers to events are events");
        if (!settings.topic.empty() && settings.topic == settings.results)
            return refuse("'results' must be another topic than 'topic'");
        return settings.batches.check();
    }

    std::string_view file_;
};

}  // namespace

Result<ModelSettings> parse_settings(std::string_view text, std::string_view file) {
    const Reader reader(file);
    ModelSettings settings;
    try {
        const toml::table table = toml::parse(text, file);
        CASC_TRY_VOID(reader.read(table, settings));
    } catch (const toml::parse_error& error) {
        return reader.wrong(error.source().begin, std::string(error.description()));
    }
    return settings;
}

}  // namespace casc::inference
