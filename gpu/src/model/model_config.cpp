#include "model/config_reader.hpp"

#include <casc/gpu/model_config.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace casc::gpu {
namespace {

Error refuse_config(const std::string& why) {
    return Error(ErrorCode::model_unusable, "config.json: " + why);
}

// Nothing of this family comes near, and products of three of them fit 64 bits.
constexpr CountRange kSizes{1, 1u << 17};
constexpr CountRange kLayers{1, 1024};
constexpr CountRange kHeads{1, 1024};
constexpr CountRange kHeadSizes{2, 1024};  // also of one that follows from the hidden size
constexpr CountRange kVocabulary{1, 1u << 22};
constexpr CountRange kContext{1, 1u << 24};
constexpr std::size_t kLabelsMax = 1u << 16;
constexpr std::size_t kWindowOfMistral = 4096;
constexpr std::size_t kKvHeadsOfMistral = 8;
constexpr std::size_t kOriginalContextOfPhi3 = 4096;
constexpr std::uint32_t kBeginToken = 1;
constexpr std::uint32_t kEndToken = 2;
constexpr std::uint32_t kEndTokenOfPhi3 = 32'000;
constexpr const char* kOriginalContext = "original_max_position_embeddings";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> known) {
    return std::ranges::find(known, text) != known.end();
}

void read_window(ConfigReader& read, ModelConfig& config) {
    if (config.kind == "mistral" && !read.is_written("sliding_window"))
        config.window_tokens = kWindowOfMistral;
    if (read.find("sliding_window") == nullptr) return;
    config.window_tokens = read.count("sliding_window", kContext);
    if (config.kind == "llama")
        read.trouble("sliding_window", "is not supported of a llama, which looks everywhere");
}

void read_sizes(ConfigReader& read, ModelConfig& config) {
    config.hidden_size = read.count("hidden_size", kSizes);
    config.layer_count = read.count("num_hidden_layers", kLayers);
    config.head_count = read.count("num_attention_heads", kHeads);
    const bool has_few = config.kind == "mistral" && !read.is_written("num_key_value_heads");
    config.kv_head_count =
        read.count("num_key_value_heads", kHeads, has_few ? kKvHeadsOfMistral : config.head_count);
    const std::size_t derived = config.hidden_size / config.head_count;
    config.head_size = read.count("head_dim", kHeadSizes, derived);
    config.inner_size = read.count("intermediate_size", kSizes);
    config.vocabulary_size = read.count("vocab_size", kVocabulary);
    config.context_tokens = read.count("max_position_embeddings", kContext);
    config.norm_epsilon = read.positive("rms_norm_eps", config.kind == "phi3" ? 1e-5 : 1e-6);
    config.rope_theta = read.positive("rope_theta", 10'000.0);
    config.ties_embeddings = read.flag("tie_word_embeddings", false);
    read_window(read, config);
    if (config.head_count % config.kv_head_count != 0)
        read.trouble("num_key_value_heads", "must divide num_attention_heads");
    if (config.head_size < kHeadSizes.least || config.head_size % 2 != 0)
        read.trouble("head_dim", "must be even: half of it is turned against the other half");
    if (config.head_size > kHeadSizes.most)
        read.trouble("head_dim", "must be at most " + std::to_string(kHeadSizes.most) +
                                     ", and hidden_size / num_attention_heads is not");
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

Result<RopeScaling> read_rope(ConfigReader& of_model, const ModelConfig& config) {
    RopeScaling rope;
    const std::size_t original =
        of_model.count(kOriginalContext, kContext,
                       config.kind == "phi3" ? kOriginalContextOfPhi3 : config.context_tokens);
    CASC_TRY_VOID(of_model.done());
    const Json* const scaling = of_model.find("rope_scaling");
    if (scaling == nullptr) return rope;
    if (scaling->as_object() == nullptr) return refuse_config("rope_scaling must be an object");
    ConfigReader read(*scaling, "config.json: rope_scaling.");
    if (of_model.find(kOriginalContext) != nullptr &&
        read.count(kOriginalContext, kContext, original) != original)
        read.trouble(kOriginalContext, "is not what the model has by the same name");
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
        rope.original_context = read.count(kOriginalContext, kContext);
        if (rope.high_frequency_factor <= rope.low_frequency_factor)
            read.trouble("high_freq_factor", "must be above low_freq_factor");
    } else if (kind == "longrope") {
        rope.kind = RopeScaling::Kind::longrope;
        rope.short_factors = read.factors("short_factor", config.head_size / 2);
        rope.long_factors = read.factors("long_factor", config.head_size / 2);
        rope.original_context = read.count(kOriginalContext, kContext, original);
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

// What is not written is the kind's, unless the vocabulary is too small for it.
void read_tokens(ConfigReader& read, ModelConfig& config) {
    const std::size_t last = config.vocabulary_size - 1;
    if (read.find("bos_token_id") != nullptr) {
        config.begin_token = static_cast<std::uint32_t>(read.count("bos_token_id", {0, last}));
    } else if (!read.is_written("bos_token_id") && kBeginToken <= last) {
        config.begin_token = kBeginToken;
    }
    config.end_tokens = read.tokens("eos_token_id", last);
    const std::uint32_t end = config.kind == "phi3" ? kEndTokenOfPhi3 : kEndToken;
    if (!read.is_written("eos_token_id") && end <= last) config.end_tokens = {end};
}

// "0", "17", and no "017".
std::optional<std::size_t> number_of(std::string_view text) {
    std::size_t number = 0;
    const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool is_all = why == std::errc{} && end == text.data() + text.size();
    if (!is_all || std::to_string(number) != text) return std::nullopt;
    return number;
}

// {"0": "spam", "1": "ham"}: as each name is there once, so many numbers below their count are all
// of them.
std::vector<std::string> labels_of(ConfigReader& read, const Json::Object& names) {
    std::vector<std::string> labels(names.size());
    for (const auto& [name, label] : names) {
        const auto number = number_of(name);
        if (!number || *number >= labels.size() || label.as_text() == nullptr) {
            read.trouble("id2label", "must have a text for each number from 0 on");
            return {};
        }
        labels[*number] = *label.as_text();
    }
    return labels;
}

// Classes of which a text has one. Several at once, or a number instead, would be answered wrongly.
void read_labels(ConfigReader& read, ModelConfig& config) {
    const std::string supported = "single_label_classification";
    if (const std::string type = read.text("problem_type", supported); type != supported)
        read.trouble("problem_type", "is '" + type + "', and only " + supported + " is supported");
    const Json* const names = read.find("id2label");
    if (names == nullptr) {
        config.labels.resize(read.count("num_labels", {2, kLabelsMax}, 2));
        for (std::size_t i = 0; i < config.labels.size(); ++i)
            config.labels[i] = "LABEL_" + std::to_string(i);
        return;
    }
    const Json::Object* const object = names->as_object();
    if (object == nullptr || object->size() < 2 || object->size() > kLabelsMax)
        return read.trouble("id2label", "must name the classes of a classifier, two at least");
    config.labels = labels_of(read, *object);
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
    ConfigReader read(object, "config.json: ");
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
    CASC_TRY(config.rope, read_rope(read, config));
    return config;
}

Result<void> ModelConfig::read_generation(std::string_view json) {
    const std::string file = "generation_config.json: ";
    CASC_TRY(const Json object, Json::parse(json));
    if (object.as_object() == nullptr)
        return Error(ErrorCode::model_unusable, file + "it is no JSON object");
    ConfigReader read(object, file);
    auto ends = read.tokens("eos_token_id", vocabulary_size - 1);
    CASC_TRY_VOID(read.done());
    if (read.find("eos_token_id") != nullptr) end_tokens = std::move(ends);
    return {};
}

}  // namespace casc::gpu
