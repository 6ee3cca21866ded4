#include <casc/gpu/open_backend.hpp>
#include <casc/inference/model_settings.hpp>

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <variant>
#include <vector>

namespace casc::inference {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::int64_t kMinute = 60'000;

// Where a value goes, and what it may be.
using Member = std::variant<std::string*, std::uint32_t*, std::uint64_t*, milliseconds*,
                            nanoseconds*, double*, std::vector<FallbackChoice>*>;
struct Key {
    std::string_view name;
    Member member;
    std::int64_t min = 0;
    std::int64_t max = 0;
};

auto keys_of(ModelSettings& settings) {
    constexpr std::int64_t kTokensMax = 1 << 24;
    gpu::BatchPolicy& batches = settings.batches;
    FallbackSettings& fallback = settings.fallback;
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
        Key{"device", &settings.device, 0, 1023},
        Key{"memory_max_bytes", &settings.memory_max_bytes, 1,
            std::numeric_limits<std::int64_t>::max()},
        Key{"fallback", &fallback.choices},
        Key{"fallback_error_rate", &fallback.error_rate_max, 0, 1},
        Key{"fallback_latency_p99_ms", &fallback.latency_p99_max, 1, 24 * 60 * kMinute},
        Key{"fallback_failures", &fallback.failures_max, 1, 1000},
        Key{"fallback_open_ms", &fallback.open_for, 1, 24 * 60 * kMinute},
    };
}

class Reader {
public:
    explicit Reader(std::string_view file) : file_(file) {}

    Result<void> read(const toml::table& table, ModelSettings& settings) const {
        CASC_TRY_VOID(read_keys(table, keys_of(settings)));
        return check(settings);
    }
    [[nodiscard]] Error wrong(const toml::source_position& at, std::string what) const {
        return {ErrorCode::invalid_config,
                std::string(file_) + ':' + std::to_string(at.line) + ": " + std::move(what)};
    }

private:
    template <class Keys>
    Result<void> read_keys(const toml::table& table, const Keys& keys) const {
        for (const auto& [key_name, node] : table) {
            const std::string_view name = key_name.str();
            const auto found = std::find_if(keys.begin(), keys.end(),
                                            [name](const Key& key) { return key.name == name; });
            if (found == keys.end()) return unknown(name, keys, node);
            CASC_TRY_VOID(set(*found, node));
        }
        return {};
    }

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
        if (auto* const* rate = std::get_if<double*>(&key.member)) {
            const auto value = node.value<double>();
            if (!value || !(*value >= static_cast<double>(key.min)) ||
                !(*value <= static_cast<double>(key.max)))
                return complain("a number from " + std::to_string(key.min) + " to " +
                                std::to_string(key.max));
            **rate = *value;
            return {};
        }
        if (auto* const* choices = std::get_if<std::vector<FallbackChoice>*>(&key.member))
            return set_choices(node, **choices);
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < key.min || *value > key.max)
            return complain("a whole number from " + std::to_string(key.min) + " to " +
                            std::to_string(key.max));
        std::visit([&](auto* member) { assign(*member, *value); }, key.member);
        return {};
    }

    Result<void> set_choices(const toml::node& node, std::vector<FallbackChoice>& choices) const {
        const toml::array* const all = node.as_array();
        const auto is_table = [](const toml::node& one) { return one.is_table(); };
        if (all == nullptr || !std::all_of(all->begin(), all->end(), is_table))
            return wrong(node.source().begin,
                         "'fallback' must be tables: [[fallback]], each with a subject");
        for (const toml::node& one : *all) {
            FallbackChoice& choice = choices.emplace_back();
            const std::array keys{Key{"subject", &choice.subject},
                                  Key{"endpoint", &choice.endpoint}};
            CASC_TRY_VOID(read_keys(*one.as_table(), keys));
            if (choice.subject.empty())
                return wrong(one.source().begin, "a fallback needs a 'subject'");
        }
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
        if (!gpu::backend_choice_of(settings.backend))
            return refuse("there is no backend '" + settings.backend + "'; there are " +
                          std::string(gpu::backend_choices()));
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
