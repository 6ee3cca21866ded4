// Matrices by what they do: found by their names, and refused when a model has others than its
// config says.

#include <casc/gpu/model_weights.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>

using namespace casc;
using namespace casc::gpu;

namespace {

struct Described {
    std::string type;
    std::vector<std::size_t> shape;
    char fill = 0;
};
using Description = std::map<std::string, Described>;

// Hidden size 8, two heads of 4 and one of keys, inner size 6, five words, one layer.
Description small_model(bool is_fused = false) {
    const std::string layer = "model.layers.0.";
    Description tensors = {{"model.embed_tokens.weight", {"BF16", {5, 8}}},
                           {layer + "input_layernorm.weight", {"F32", {8}}},
                           {layer + "self_attn.o_proj.weight", {"BF16", {8, 8}}},
                           {layer + "post_attention_layernorm.weight", {"BF16", {8}}},
                           {layer + "mlp.down_proj.weight", {"F16", {8, 6}}},
                           {"model.norm.weight", {"BF16", {8}}},
                           {"lm_head.weight", {"F32", {5, 8}}}};
    if (is_fused) {
        tensors[layer + "self_attn.qkv_proj.weight"] = {"BF16", {16, 8}};
        tensors[layer + "mlp.gate_up_proj.weight"] = {"BF16", {12, 8}};
        return tensors;
    }
    tensors[layer + "self_attn.q_proj.weight"] = {"BF16", {8, 8}};
    tensors[layer + "self_attn.k_proj.weight"] = {"BF16", {4, 8}};
    tensors[layer + "self_attn.v_proj.weight"] = {"BF16", {4, 8}};
    tensors[layer + "mlp.gate_proj.weight"] = {"BF16", {6, 8}};
    tensors[layer + "mlp.up_proj.weight"] = {"BF16", {6, 8}};
    return tensors;
}

std::string small_config(const std::string& kind = "llama", const std::string& more = "",
                         const std::string& purpose = "LlamaForCausalLM") {
    return R"({"model_type": ")" + kind + R"(", "architectures": [")" + purpose + R"("],
        "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "intermediate_size": 6, "vocab_size": 5,
        "max_position_embeddings": 16)" +
           more + "}";
}

std::string safetensors_of(const Description& tensors) {
    std::string header;
    std::string data;
    for (const auto& [name, tensor] : tensors) {
        std::size_t bytes = element_bytes(*element_type_of(tensor.type));
        std::string shape;
        for (const std::size_t dimension : tensor.shape) {
            bytes *= dimension;
            shape += (shape.empty() ? "" : ", ") + std::to_string(dimension);
        }
        header += (header.empty() ? "{\"" : ", \"") + name + R"(": {"dtype": ")" + tensor.type +
                  R"(", "shape": [)" + shape + R"(], "data_offsets": [)" +
                  std::to_string(data.size()) + ", " + std::to_string(data.size() + bytes) + "]}";
        data.append(bytes, tensor.fill);
    }
    header += '}';
    const std::uint64_t header_bytes = header.size();
    std::string file(sizeof header_bytes, '\0');
    std::memcpy(file.data(), &header_bytes, sizeof header_bytes);
    return file + header + data;
}

struct WeightsFolder {
    std::filesystem::path path;
    WeightsFolder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "casc-weights-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~WeightsFolder() { std::filesystem::remove_all(path); }
    [[nodiscard]] Result<ModelWeights> open(const Description& tensors,
                                            const std::string& config = small_config()) const {
        std::ofstream(path / "model.safetensors", std::ios::binary) << safetensors_of(tensors);
        std::ofstream(path / "config.json", std::ios::binary) << config;
        return ModelWeights::open(path);
    }
};

std::string weights_trouble(const Description& tensors,
                            const std::string& config = small_config()) {
    const WeightsFolder folder;
    const auto weights = folder.open(tensors, config);
    if (weights) return "nothing";
    CHECK(weights.error().code == ErrorCode::model_unusable);
    return weights.error().detail;
}

const std::string kTied = R"(, "tie_word_embeddings": true)";

}  // namespace

TEST_CASE("gpu/model_weights: matrices are found by their names, each of its own type") {
    const WeightsFolder folder;
    const auto weights = folder.open(small_model());
    REQUIRE(weights);
    REQUIRE(weights->layers().size() == 1);
    const LayerWeights& layer = weights->layers()[0];
    CHECK(weights->embedding().rows == 5);
    CHECK(weights->embedding().columns == 8);
    CHECK(weights->embedding().row_bytes() == 16);
    CHECK(layer.input_norm.rows == 1);
    CHECK(layer.input_norm.columns == 8);
    CHECK(layer.input_norm.type == ElementType::f32);
    CHECK(layer.k.rows == 4);
    CHECK(layer.k.columns == 8);
    CHECK(layer.down.type == ElementType::f16);
    CHECK(layer.down.columns == 6);
    CHECK(weights->head().type == ElementType::f32);
    CHECK(weights->head().data != weights->embedding().data);
    CHECK(weights->config().hidden_size == 8);
    // Bytes of 2 and of 4: all but the first norm and the head are of 2.
    CHECK(weights->bytes() == 2 * (40 + 64 + 8 + 48 + 8 + 64 + 32 + 32 + 48 + 48) + 4 * (8 + 40));
}

TEST_CASE("gpu/model_weights: fused matrices are taken apart by their rows") {
    const WeightsFolder folder;
    const auto weights = folder.open(small_model(true), small_config("phi3"));
    REQUIRE(weights);
    const LayerWeights& layer = weights->layers()[0];
    CHECK(layer.q.rows == 8);
    CHECK(layer.k.rows == 4);
    CHECK(layer.v.rows == 4);
    CHECK(layer.k.data == layer.q.data + layer.q.bytes());
    CHECK(layer.v.data == layer.k.data + layer.k.bytes());
    CHECK(layer.gate.rows == 6);
    CHECK(layer.up.data == layer.gate.data + layer.gate.bytes());
    // Each kind has its own names.
    CHECK(weights_trouble(small_model(true)).find("q_proj.weight' is missing") !=
          std::string::npos);
    CHECK(
        weights_trouble(small_model(), small_config("phi3")).find("qkv_proj.weight' is missing") !=
        std::string::npos);
}

TEST_CASE("gpu/model_weights: a tied head is the embedding, and not another matrix") {
    Description tensors = small_model();
    const std::string config = small_config("llama", kTied);
    CHECK(weights_trouble(tensors, config) ==
          "tensor 'lm_head.weight' differs from the embedding, and the config ties them");
    tensors["lm_head.weight"] = {"BF16", {5, 8}, 1};
    CHECK(weights_trouble(tensors, config) ==
          "tensor 'lm_head.weight' differs from the embedding, and the config ties them");
    tensors["lm_head.weight"].shape = {4, 8};
    CHECK(weights_trouble(tensors, config).find("expected F32, BF16 or F16 [5, 8]") !=
          std::string::npos);
    const WeightsFolder folder;
    tensors["lm_head.weight"] = {"BF16", {5, 8}, 0};
    const auto twice = folder.open(tensors, config);
    REQUIRE(twice);
    CHECK(twice->head().data == twice->embedding().data);
    const std::size_t bytes = twice->bytes();
    tensors.erase("lm_head.weight");
    CHECK(weights_trouble(tensors) == "tensor 'lm_head.weight' is missing; expected [5, 8]");
    // It is read once, and counted once.
    const WeightsFolder another;
    const auto once = another.open(tensors, config);
    REQUIRE(once);
    CHECK(once->bytes() == bytes);
}

TEST_CASE("gpu/model_weights: a generation_config.json says which tokens end an answer") {
    const WeightsFolder folder;
    CHECK(folder.open(small_model())->config().end_tokens == std::vector<std::uint32_t>{2});
    const auto with = [&](const std::string& generation) {
        std::ofstream(folder.path / "generation_config.json", std::ios::binary) << generation;
        return folder.open(small_model());
    };
    const auto weights = with(R"({"eos_token_id": [3, 4]})");
    REQUIRE(weights);
    CHECK(weights->config().end_tokens == std::vector<std::uint32_t>{3, 4});
    CHECK(with(R"({"eos_token_id": 5})").error().code == ErrorCode::model_unusable);
    CHECK(with("").error().code == ErrorCode::model_unusable);
    const auto large = with(std::string((16u << 20) + 1, ' '));
    REQUIRE_FALSE(large);
    CHECK(large.error().detail == "generation_config.json is too large");
}

TEST_CASE("gpu/model_weights: a classifier has a score for each class, and no head") {
    Description tensors = small_model();
    const std::string config = small_config("llama", R"(, "id2label": {"0": "a", "1": "b"})",
                                            "LlamaForSequenceClassification");
    CHECK(weights_trouble(tensors, config) == "tensor 'score.weight' is missing; expected [2, 8]");
    tensors["score.weight"] = {"BF16", {3, 8}};
    CHECK(weights_trouble(tensors, config) ==
          "tensor 'score.weight' is BF16 [3, 8]; expected F32, BF16 or F16 [2, 8]");
    tensors["score.weight"].shape = {2, 8};
    CHECK(weights_trouble(tensors, config) ==
          "tensor 'lm_head.weight' is F32 [5, 8], and the config has no use for it");
    tensors.erase("lm_head.weight");
    const WeightsFolder folder;
    const auto weights = folder.open(tensors, config);
    REQUIRE(weights);
    CHECK(weights->head().rows == 2);
}

TEST_CASE("gpu/model_weights: each tensor that is missing or of another shape is named") {
    for (const bool is_fused : {false, true}) {
        const std::string config = small_config(is_fused ? "phi3" : "llama");
        for (const auto& entry : small_model(is_fused)) {
            const std::string& name = entry.first;
            const Described& tensor = entry.second;
            CAPTURE(name);
            const std::string names = "tensor '" + name + "' ";
            Description tensors = small_model(is_fused);
            tensors.erase(name);
            CHECK(weights_trouble(tensors, config).starts_with(names + "is missing; expected ["));
            for (const std::vector<std::size_t>& shape :
                 std::vector<std::vector<std::size_t>>{{}, {1}, {8, 7}, {0, 8}, {5, 8, 1}, {80}}) {
                tensors[name] = {tensor.type, shape};
                CHECK(weights_trouble(tensors, config).starts_with(names + "is " + tensor.type));
            }
            for (const char* type : {"I8", "F64", "F8_E4M3", "U16", "I32"}) {
                tensors[name] = {type, tensor.shape};
                CHECK(weights_trouble(tensors, config).starts_with(names + "is " + type + " ["));
            }
        }
    }
}

TEST_CASE("gpu/model_weights: what nobody would compute with is refused, rotary tables are not") {
    for (const char* name :
         {"model.layers.0.self_attn.q_proj.bias", "model.layers.1.input_layernorm.weight",
          "model.layers.0.self_attn.q_proj.lora_A.weight", "rotary_emb.inv_freq.more", "x"}) {
        Description tensors = small_model();
        tensors[name] = {"BF16", {8}};
        CHECK(weights_trouble(tensors) ==
              "tensor '" + std::string(name) + "' is BF16 [8], and the config has no use for it");
    }
    Description tensors = small_model();
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {"F32", {2}};
    tensors["model.rotary_emb.inv_freq"] = {"F32", {2}};
    CHECK(weights_trouble(tensors) == "nothing");
    // A name as long as a header may be is not said in full.
    tensors[std::string(100'000, 'n')] = {"BF16", {8}};
    CHECK(weights_trouble(tensors).size() < 400);
}

TEST_CASE("gpu/model_weights: a folder without a config is refused") {
    const WeightsFolder folder;
    const auto weights = ModelWeights::open(folder.path);
    REQUIRE_FALSE(weights);
    CHECK(weights.error().code == ErrorCode::model_unusable);
    CHECK(weights.error().detail.find("config.json") != std::string::npos);
    CHECK_FALSE(folder.open(small_model(), "{"));
    CHECK_FALSE(folder.open(small_model(), ""));
}
