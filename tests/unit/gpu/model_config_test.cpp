// config.json of models: what is read, and what is refused instead of being left out.

#include <casc/gpu/model_config.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace casc;
using casc::gpu::ModelConfig;
using casc::gpu::RopeScaling;

namespace {

using Tokens = std::vector<std::uint32_t>;

// A small model; `more` comes last, so that it must not repeat a key of it.
std::string config_with(const std::string& more = "", const std::string& kind = "llama",
                        const std::string& purpose = "LlamaForCausalLM") {
    return R"({"model_type": ")" + kind + R"(", "architectures": [")" + purpose + R"("],
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8,
        "intermediate_size": 160, "vocab_size": 1000, "max_position_embeddings": 512)" +
           (more.empty() ? "" : ", " + more) + "}";
}

ModelConfig config_of(const std::string& json) {
    auto config = ModelConfig::parse(json);
    REQUIRE_MESSAGE(config, json);
    return std::move(*config);
}

std::string config_trouble(const std::string& json) {
    const auto config = ModelConfig::parse(json);
    if (config) return "nothing";
    CHECK(config.error().code == ErrorCode::model_unusable);
    return config.error().detail;
}

}  // namespace

TEST_CASE("gpu/model_config: what is not said is as Hugging Face has it") {
    const ModelConfig config = config_of(config_with());
    CHECK(config.kind == "llama");
    CHECK(config.hidden_size == 64);
    CHECK(config.kv_head_count == 8);
    CHECK(config.head_size == 8);
    CHECK(config.query_size() == 64);
    CHECK(config.norm_epsilon == 1e-6);
    CHECK(config.rope_theta == 10'000);
    CHECK(config.rope.kind == RopeScaling::Kind::none);
    CHECK_FALSE(config.window_tokens);
    CHECK_FALSE(config.ties_embeddings);
    CHECK(config.begin_token == 1u);
    CHECK(config.end_tokens == Tokens{2});
    CHECK_FALSE(config.classifies());
}

TEST_CASE("gpu/model_config: what is not said is that of the kind") {
    const ModelConfig mistral = config_of(config_with("", "mistral", "MistralForCausalLM"));
    CHECK(mistral.window_tokens == 4096);
    CHECK(mistral.norm_epsilon == 1e-6);
    CHECK(mistral.begin_token == 1u);
    CHECK(mistral.end_tokens == Tokens{2});
    // Sixteen heads, of which eight are of keys.
    const std::string heads = R"("num_attention_heads": )";
    std::string many = config_with("", "mistral", "MistralForCausalLM");
    many.replace(many.find(heads + "8"), heads.size() + 1, heads + "16");
    CHECK(config_of(many).kv_head_count == 8);

    const ModelConfig phi3 = config_of(config_with("", "phi3", "Phi3ForCausalLM"));
    CHECK_FALSE(phi3.window_tokens);
    CHECK(phi3.norm_epsilon == 1e-5);
    CHECK(phi3.kv_head_count == 8);
    CHECK(phi3.begin_token == 1u);
    // 32000, which is not a token of this vocabulary.
    CHECK(phi3.end_tokens.empty());
    const std::string words = R"("vocab_size": )";
    std::string large = config_with("", "phi3", "Phi3ForCausalLM");
    large.replace(large.find(words + "1000"), words.size() + 4, words + "32001");
    CHECK(config_of(large).end_tokens == Tokens{32'000});
    const char* const longrope = R"("rope_scaling": {"type": "longrope",
        "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1, 1]})";
    CHECK(config_of(config_with(longrope, "phi3", "Phi3ForCausalLM")).rope.original_context ==
          4096);
    CHECK(config_of(config_with(longrope)).rope.original_context == 512);
}

TEST_CASE("gpu/model_config: null is said, and is nothing") {
    std::string nulls = config_with(
        R"("sliding_window": null, "num_key_value_heads": null, "bos_token_id": null,
           "eos_token_id": null)",
        "mistral", "MistralForCausalLM");
    const std::string heads = R"("num_attention_heads": )";
    nulls.replace(nulls.find(heads + "8"), heads.size() + 1, heads + "16");
    const ModelConfig config = config_of(nulls);
    CHECK_FALSE(config.window_tokens);
    CHECK(config.kv_head_count == 16);
    CHECK_FALSE(config.begin_token);
    CHECK(config.end_tokens.empty());
}

TEST_CASE("gpu/model_config: the ends of generation_config.json are in place of the config's") {
    ModelConfig config = config_of(config_with(R"("eos_token_id": 5)"));
    REQUIRE(config.read_generation(R"({"eos_token_id": [7, 9], "do_sample": true})"));
    CHECK(config.end_tokens == Tokens{7, 9});
    REQUIRE(config.read_generation(R"({"eos_token_id": 3})"));
    CHECK(config.end_tokens == Tokens{3});
    for (const char* silent : {"{}", R"({"eos_token_id": null})"}) {
        REQUIRE(config.read_generation(silent));
        CHECK(config.end_tokens == Tokens{3});
    }
    for (const char* bad : {"", "[]", R"({"eos_token_id": 1000})", R"({"eos_token_id": [1, -1]})",
                            R"({"eos_token_id": "2"})", R"({"eos_token_id": [[1]]})"}) {
        CAPTURE(bad);
        const auto read = config.read_generation(bad);
        REQUIRE_FALSE(read);
        CHECK(read.error().code == ErrorCode::model_unusable);
        CHECK(config.end_tokens == Tokens{3});
    }
    CHECK(config.read_generation(R"({"eos_token_id": 1000})").error().detail ==
          "generation_config.json: eos_token_id must be tokens of the vocabulary");
}

TEST_CASE("gpu/model_config: grouped heads, a window, tied embeddings and several ends are read") {
    const ModelConfig config = config_of(config_with(
        R"("num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
           "sliding_window": 128, "tie_word_embeddings": true, "bos_token_id": 1,
           "eos_token_id": [2, 7], "attention_bias": false, "hidden_act": "silu",
           "rope_scaling": null)",
        "mistral", "MistralForCausalLM"));
    CHECK(config.kv_head_count == 2);
    CHECK(config.query_size() == 128);
    CHECK(config.kv_size() == 32);
    CHECK(config.norm_epsilon == 1e-5);
    CHECK(config.rope_theta == 500'000);
    CHECK(config.window_tokens == 128);
    CHECK(config.ties_embeddings);
    CHECK(config.begin_token == 1u);
    CHECK(config.end_tokens == std::vector<std::uint32_t>{2, 7});
    CHECK(config_of(config_with(R"("eos_token_id": 5)")).end_tokens ==
          std::vector<std::uint32_t>{5});
}

TEST_CASE("gpu/model_config: scalings of long contexts are read whole, or refused") {
    const auto scaled = [](const std::string& scaling) {
        return config_with("\"rope_scaling\": " + scaling, "phi3", "Phi3ForCausalLM");
    };
    CHECK(config_of(scaled(R"({"type": "linear", "factor": 4.0})")).rope.factor == 4);
    CHECK(config_of(scaled(R"({"rope_type": "default"})")).rope.kind == RopeScaling::Kind::none);
    const RopeScaling llama3 =
        config_of(scaled(R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
                             "high_freq_factor": 4, "original_max_position_embeddings": 128})"))
            .rope;
    CHECK(llama3.kind == RopeScaling::Kind::llama3);
    CHECK(llama3.original_context == 128);
    const ModelConfig longrope = config_of(config_with(
        R"("original_max_position_embeddings": 64, "rope_scaling": {"type": "longrope",
            "short_factor": [1, 1, 1.5, 2], "long_factor": [1, 2, 3, 4]})",
        "phi3", "Phi3ForCausalLM"));
    CHECK(longrope.rope.kind == RopeScaling::Kind::longrope);
    CHECK(longrope.rope.original_context == 64);
    CHECK(longrope.rope.long_factors == std::vector<double>{1, 2, 3, 4});

    CHECK(config_trouble(scaled(R"({"type": "yarn", "factor": 4})")) ==
          "config.json: rope_scaling.type is 'yarn'; linear, llama3 and longrope are supported");
    CHECK(config_trouble(scaled(R"({"type": "linear"})")) ==
          "config.json: rope_scaling.factor is missing");
    CHECK(config_trouble(scaled(R"({"type": "longrope", "short_factor": [1, 1, 1],
                                    "long_factor": [1, 1, 1, 1]})")) ==
          "config.json: rope_scaling.short_factor must be a list of 4 numbers above 0");
    CHECK(config_trouble(scaled(R"({"rope_type": "llama3", "factor": 8, "low_freq_factor": 4,
                                    "high_freq_factor": 4,
                                    "original_max_position_embeddings": 128})")) ==
          "config.json: rope_scaling.high_freq_factor must be above low_freq_factor");
    for (const char* key : {"attention_factor", "short_mscale", "long_mscale"})
        CHECK(config_trouble(scaled(R"({"type": "longrope", "short_factor": [1, 1, 1, 1],
                                        "long_factor": [1, 1, 1, 1], ")" +
                                    std::string(key) + "\": 1.2}")) ==
              "config.json: rope_scaling." + std::string(key) + " is not supported");
    CHECK(config_trouble(scaled(R"({"type": "longrope", "short_factor": [1, 1, 1, 1],
                                    "long_factor": [1, 1, 1, 1], "factor": 8})")) ==
          "config.json: rope_scaling.factor needs an original_max_position_embeddings");
    CHECK(config_trouble(scaled("7")) != "nothing");
    // Two that differ; who of them is meant nobody can say.
    const auto twice = [](const std::string& original) {
        return config_with("\"original_max_position_embeddings\": " + original +
                               R"(, "rope_scaling": {"type": "longrope",
                "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1, 1],
                "original_max_position_embeddings": 64})",
                           "phi3", "Phi3ForCausalLM");
    };
    CHECK(config_of(twice("64")).rope.original_context == 64);
    CHECK(config_of(twice("null")).rope.original_context == 64);
    CHECK(config_trouble(twice("128")) ==
          "config.json: rope_scaling.original_max_position_embeddings is not what the model has by "
          "the same name");
}

TEST_CASE("gpu/model_config: a classifier names its classes") {
    const ModelConfig config = config_of(config_with(R"("id2label": {"1": "ham", "0": "spam"})",
                                                     "llama", "LlamaForSequenceClassification"));
    CHECK(config.classifies());
    CHECK(config.labels == std::vector<std::string>{"spam", "ham"});
    for (const char* labels :
         {R"("id2label": {})", R"("id2label": {"0": "a", "01": "b"})",
          R"("id2label": {"0": "a", "-1": "b"})", R"("num_labels": 1)",
          R"("id2label": {"0": "a", "99999999999999999999": "b"})", R"("id2label": ["a"])",
          R"("id2label": {"0": "a", "2": "b"})", R"("id2label": {"0": 1})"}) {
        CAPTURE(labels);
        CHECK(config_trouble(config_with(labels, "llama", "LlamaForSequenceClassification")) !=
              "nothing");
    }
    const auto classifier = [](const std::string& more) {
        return config_with(more, "llama", "LlamaForSequenceClassification");
    };
    for (const char* silent : {"", R"("id2label": null)"})
        CHECK(config_of(classifier(silent)).labels ==
              std::vector<std::string>{"LABEL_0", "LABEL_1"});
    CHECK(config_of(classifier(R"("num_labels": 3)")).labels.back() == "LABEL_2");
    // Not one class of several.
    CHECK(config_trouble(classifier(R"("id2label": {"0": "score"})")) ==
          "config.json: id2label must name the classes of a classifier, two at least");
    for (const char* type : {"regression", "multi_label_classification"})
        CHECK(config_trouble(classifier("\"problem_type\": \"" + std::string(type) + '"')) ==
              "config.json: problem_type is '" + std::string(type) +
                  "', and only single_label_classification is supported");
    CHECK(config_of(classifier(R"("problem_type": "single_label_classification")")).classifies());
    CHECK(config_of(classifier(R"("problem_type": null)")).classifies());
    // A model that generates may have some, too; they mean nothing.
    CHECK_FALSE(config_of(config_with(R"("id2label": {"0": "LABEL_0"})")).classifies());
}

TEST_CASE("gpu/model_config: as many labels as there may be are read in one walk") {
    std::string labels;
    for (std::size_t i = 65'536; i-- > 0;)
        labels += (labels.empty() ? "\"" : ", \"") + std::to_string(i) + "\": \"x" +
                  std::to_string(i) + '"';
    const ModelConfig config = config_of(
        config_with("\"id2label\": {" + labels + "}", "llama", "LlamaForSequenceClassification"));
    REQUIRE(config.labels.size() == 65'536);
    CHECK(config.labels[0] == "x0");
    CHECK(config.labels[65'535] == "x65535");
}

TEST_CASE("gpu/model_config: what would change the arithmetic and is not built is refused") {
    for (const char* more : {R"("hidden_act": "gelu")", R"("attention_bias": true)",
                             R"("mlp_bias": true)", R"("partial_rotary_factor": 0.5)",
                             R"("sliding_window": 128)", R"("quantization_config": {"bits": 4})",
                             R"("rope_parameters": {"rope_theta": 500000.0})"}) {
        CAPTURE(more);
        CHECK(config_trouble(config_with(more)) != "nothing");
    }
    CHECK(config_trouble(config_with("", "gpt2", "GPT2LMHeadModel")) ==
          "config.json: model_type is 'gpt2'; llama, mistral and phi3 are supported");
    CHECK(config_trouble(config_with("", "llama", "LlamaModel")) != "nothing");
}

TEST_CASE("gpu/model_config: sizes that are missing or absurd are refused by their name") {
    CHECK(config_trouble(R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"]})") ==
          "config.json: hidden_size is missing");
    CHECK(config_trouble("[]") == "config.json: it is no JSON object");
    CHECK(config_trouble("{") != "nothing");
    for (const char* more :
         {R"("num_key_value_heads": 3)", R"("num_key_value_heads": 0)",
          R"("num_key_value_heads": 99999999999)", R"("head_dim": 7)", R"("head_dim": 1)",
          R"("head_dim": 8.0)", R"("rms_norm_eps": 0)", R"("rope_theta": -1)",
          R"("tie_word_embeddings": "yes")", R"("sliding_window": 0)", R"("eos_token_id": 1000)",
          R"("eos_token_id": [1, "2"])", R"("bos_token_id": -1)", R"("hidden_act": 7)"}) {
        CAPTURE(more);
        CHECK(config_trouble(config_with(more)) != "nothing");
    }
    // Also where it follows from others.
    const std::string heads =
        R"("hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 8)";
    std::string wide = config_with();
    wide.replace(wide.find(heads), heads.size(),
                 R"("hidden_size": 2050, "num_hidden_layers": 2, "num_attention_heads": 1)");
    CHECK(
        config_trouble(wide) ==
        "config.json: head_dim must be at most 1024, and hidden_size / num_attention_heads is not");
    for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads",
                            "intermediate_size", "vocab_size", "max_position_embeddings"})
        for (const char* value :
             {"0", "-1", "1.5", "1e3", "99999999999999999999", "\"64\"", "null"}) {
            std::string json = config_with();
            const auto at =
                json.find(std::string("\"") + key + "\": ") + std::string(key).size() + 4;
            json.replace(at, json.find_first_of(",}", at) - at, value);
            CAPTURE(json);
            CHECK(config_trouble(json) != "nothing");
        }
}
