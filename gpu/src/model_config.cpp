#include "json.hpp"

#include <casc/gpu/model_config.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace casc::gpu {
namespace {

Error refuse_config(const std::string& why) {
    return Error(ErrorCode::model_unusable, "config.json: " + why);
}

struct Range {
    std::size_t least;
    std::size_t most;
};
// Nothing of this family comes near, and products of three of them fit 64 bits.
constexpr Range kSizes{1, 1u << 17};
constexpr Range kLayers{1, 1024};
constexpr Range kHeads{1, 1024};
constexpr Range kHeadSizes{2, 1024};
constexpr Range kVocabulary{1, 1u << 22};
constexpr Range kContext{1, 1u << 24};
constexpr std::size_t kLabelsMax = 1u << 16;

// Looks keys up, and remembers the first trouble, so that whoever reads many keys asks once.
class ConfigReader {
public:
    explicit ConfigReader(const Json& object, std::string prefix = "")
        : object_(object), prefix_(std::move(prefix)) {}

    [[nodiscard]] const Json* find(std::string_view key) const noexcept {
        const Json* const value = object_.find(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    std::size_t count(std::string_view key, Range range,
                      std::optional<std::size_t> otherwise = {}) {
        const Json* const value = find(key);
        if (value == nullptr && otherwise) return *otherwise;
        const auto count = value == nullptr ? std::nullopt : value->as_count();
        if (count && *count >= range.least && *count <= range.most) return *count;
        trouble(key, value == nullptr
                         ? "is missing"
                         : "must be a whole number from " + std::to_string(range.least) + " to " +
                               std::to_string(range.most));
        return range.least;  // so that it can be divided by, until done() says what is wrong
    }
    double positive(std::string_view key, std::optional<double> otherwise = {}) {
        const Json* const value = find(key);
        if (value == nullptr && otherwise) return *otherwise;
        const auto number = value == nullptr ? std::nullopt : value->as_number();
        if (number && *number > 0 && std::isfinite(*number)) return *number;
        trouble(key, value == nullptr ? "is missing" : "must be a number above 0");
        return 1;
    }
    bool flag(std::string_view key, bool otherwise) {
        const Json* const value = find(key);
        if (value == nullptr) return otherwise;
        if (!value->as_bool()) trouble(key, "must be true or false");
        return value->as_bool().value_or(otherwise);
    }
    std::string text(std::string_view key, std::string_view otherwise) {
        const Json* const value = find(key);
        if (value == nullptr) return std::string(otherwise);
        if (value->as_text() == nullptr) trouble(key, "must be a text");
        return value->as_text() == nullptr ? std::string(otherwise) : *value->as_text();
    }
    std::vector<double> factors(std::string_view key, std::size_t wanted) {
        const Json* const value = find(key);
        const Json::Array* const items = value == nullptr ? nullptr : value->as_array();
        std::vector<double> factors;
        if (items != nullptr)
            for (const Json& item : *items)
                factors.push_back(item.as_number().value_or(0));
        const bool are_positive = std::ranges::all_of(
            factors, [](double factor) { return factor > 0 && std::isfinite(factor); });
        if (factors.size() != wanted || !are_positive)
            trouble(key, "must be a list of " + std::to_string(wanted) + " numbers above 0");
        return factors;
    }
    void trouble(std::string_view key, const std::string& what) {
        if (!trouble_) trouble_ = refuse_config(prefix_ + std::string(key) + ' ' + what);
    }
    [[nodiscard]] Result<void> done() const {
        if (trouble_) return *trouble_;
        return {};
    }

private:
    const Json& object_;
    const std::string prefix_;
    std::optional<Error> trouble_;
};

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> known) {
    return std::ranges::find(known, text) != known.end();
}

void read_sizes(ConfigReader& read, ModelConfig& config) {
    config.hidden_size = read.count("hidden_size", kSizes);
    config.layer_count = read.count("num_hidden_layers", kLayers);
    config.head_count = read.count("num_attention_heads", kHeads);
    config.kv_head_count = read.count("num_key_value_heads", kHeads, config.head_count);
    const std::size_t derived = config.hidden_size / config.head_count;
    config.head_size = read.count("head_dim", kHeadSizes, derived);
    config.inner_size = read.count("intermediate_size", kSizes);
    config.vocabulary_size = read.count("vocab_size", kVocabulary);
    config.context_tokens = read.count("max_position_embeddings", kContext);
    config.norm_epsilon = read.positive("rms_norm_eps", 1e-6);
    config.rope_theta = read.positive("rope_theta", 10'000.0);
    config.ties_embeddings = read.flag("tie_word_embeddings", false);
    if (read.find("sliding_window") != nullptr)
        config.window_tokens = read.count("sliding_window", kContext);
    if (config.head_count % config.kv_head_count != 0)
        read.trouble("num_key_value_heads", "must divide num_attention_heads");
    if (config.head_size < kHeadSizes.least || config.head_size % 2 != 0)
        read.trouble("head_dim", "must be even: half of it is turned against the other half");
    if (read.find("head_dim") == nullptr && config.hidden_size % config.head_count != 0)
        read.trouble("hidden_size", "must be a multiple of num_attention_heads");
}

// What would change the arithmetic and is not built.
void refuse_unknown(ConfigReader& read) {
    if (const std::string act = read.text("hidden_act", "silu"); act != "silu")
        read.trouble("hidden_act", "is '" + act + "', and only silu is supported");
    if (read.flag("attention_bias", false)) read.trouble("attention_bias", "is not supported");
    if (read.flag("mlp_bias", false)) read.trouble("mlp_bias", "is not supported");
    if (read.positive("partial_rotary_factor", 1.0) != 1.0)
        read.trouble("partial_rotary_factor", "must be 1: others are not supported");
    // Where newer files have rope_theta and rope_scaling.
    if (read.find("rope_parameters") != nullptr)
        read.trouble("rope_parameters", "is not supported: give rope_theta and rope_scaling");
    if (read.find("quantization_config") != nullptr)
        read.trouble("quantization_config",
                     "is not supported: give the model in its own precision");
}

Result<RopeScaling> read_rope(const Json* scaling, const ModelConfig& config,
                              std::size_t original_context) {
    RopeScaling rope;
    if (scaling == nullptr) return rope;
    if (scaling->as_object() == nullptr) return refuse_config("rope_scaling must be an object");
    ConfigReader read(*scaling, "rope_scaling.");
    // The newer name, and the older one.
    const std::string kind = read.text("rope_type", read.text("type", ""));
    if (kind == "linear") {
        rope.kind = RopeScaling::Kind::linear;
        rope.factor = read.positive("factor");
    } else if (kind == "llama3") {
        rope.kind = RopeScaling::Kind::llama3;
        rope.factor = read.positive("factor");
        rope.low_frequency_factor = read.positive("low_freq_factor");
        rope.high_frequency_factor = read.positive("high_freq_factor");
        rope.original_context = read.count("original_max_position_embeddings", kContext);
        if (rope.high_frequency_factor <= rope.low_frequency_factor)
            read.trouble("high_freq_factor", "must be above low_freq_factor");
    } else if (kind == "longrope") {
        rope.kind = RopeScaling::Kind::longrope;
        rope.short_factors = read.factors("short_factor", config.head_size / 2);
        rope.long_factors = read.factors("long_factor", config.head_size / 2);
        rope.original_context =
            read.count("original_max_position_embeddings", kContext, original_context);
        // By how much queries and keys grow follows from the two contexts.
        for (const char* key : {"attention_factor", "short_mscale", "long_mscale"})
            if (read.find(key) != nullptr) read.trouble(key, "is not supported");
        if (read.find("factor") != nullptr && rope.original_context >= config.context_tokens)
            read.trouble("factor", "needs an original_max_position_embeddings");
    } else if (kind != "default") {
        read.trouble("type", "is '" + kind + "'; linear, llama3 and longrope are supported");
    }
    CASC_TRY_VOID(read.done());
    return rope;
}

// One number, or a list of them.
void read_tokens(ConfigReader& read, ModelConfig& config) {
    const Range tokens{0, config.vocabulary_size - 1};
    if (read.find("bos_token_id") != nullptr)
        config.begin_token = static_cast<std::uint32_t>(read.count("bos_token_id", tokens));
    const Json* const end = read.find("eos_token_id");
    if (end == nullptr) return;
    const Json::Array* const list = end->as_array();
    const std::size_t count = list == nullptr ? 1 : list->size();
    for (std::size_t i = 0; i < count; ++i) {
        const auto token = (list == nullptr ? *end : (*list)[i]).as_count();
        if (!token || *token > tokens.most)
            return read.trouble("eos_token_id", "must be tokens of the vocabulary");
        config.end_tokens.push_back(static_cast<std::uint32_t>(*token));
    }
}

// {"0": "spam", "1": "ham"}
void read_labels(ConfigReader& read, ModelConfig& config) {
    const Json* const names = read.find("id2label");
    const Json::Object* const object = names == nullptr ? nullptr : names->as_object();
    if (object == nullptr || object->empty() || object->size() > kLabelsMax)
        return read.trouble("id2label", "must name the classes of a classifier");
    config.labels.resize(object->size());
    for (std::size_t i = 0; i < config.labels.size(); ++i) {
        const Json* const name = names->find(std::to_string(i));
        if (name == nullptr || name->as_text() == nullptr)
            return read.trouble("id2label", "must have a text for each number from 0 on");
        config.labels[i] = *name->as_text();
    }
}

// "LlamaForCausalLM": whether it classifies. Nothing: neither.
std::optional<bool> purpose_of(const Json& object) {
    const Json* const names = object.find("architectures");
    const Json::Array* const list = names == nullptr ? nullptr : names->as_array();
    const std::string* const name =
        list == nullptr || list->size() != 1 ? nullptr : list->front().as_text();
    if (name == nullptr) return std::nullopt;
    if (name->ends_with("ForCausalLM")) return false;
    if (name->ends_with("ForSequenceClassification")) return true;
    return std::nullopt;
}

}  // namespace

Result<ModelConfig> ModelConfig::parse(std::string_view json) {
    CASC_TRY(const Json object, Json::parse(json));
    if (object.as_object() == nullptr) return refuse_config("it is no JSON object");
    ConfigReader read(object);
    ModelConfig config;
    config.kind = read.text("model_type", "");
    if (!is_one_of(config.kind, {"llama", "mistral", "phi3"}))
        return refuse_config("model_type is '" + config.kind +
                             "'; llama, mistral and phi3 are supported");
    const auto classifies = purpose_of(object);
    if (!classifies)
        return refuse_config(
            "architectures must be one that ends in ForCausalLM or ForSequenceClassification");
    read_sizes(read, config);
    refuse_unknown(read);
    read_tokens(read, config);
    if (*classifies) read_labels(read, config);
    const std::size_t original =
        read.count("original_max_position_embeddings", kContext, config.context_tokens);
    CASC_TRY_VOID(read.done());
    CASC_TRY(config.rope, read_rope(read.find("rope_scaling"), config, original));
    return config;
}

}  // namespace casc::gpu
