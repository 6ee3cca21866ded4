#include <casc/gpu/random_model.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <utility>

namespace casc::gpu {
namespace {

namespace fs = std::filesystem;

struct Shape {
    std::string name;
    std::size_t rows = 0;
    std::size_t columns = 0;  // 0: a vector
    [[nodiscard]] std::size_t size() const noexcept {
        return rows * std::max<std::size_t>(columns, 1);
    }
};

void add_layer(const RandomModelShape& model, std::size_t number, std::vector<Shape>& shapes) {
    const std::string layer = "model.layers." + std::to_string(number) + ".";
    const std::size_t hidden = model.hidden_size;
    const std::size_t inner = model.inner_size;
    const std::size_t kv = hidden / model.head_count * model.kv_head_count;
    shapes.push_back({layer + "input_layernorm.weight", hidden});
    if (model.kind == "phi3") {
        shapes.push_back({layer + "self_attn.qkv_proj.weight", hidden + 2 * kv, hidden});
    } else {
        shapes.push_back({layer + "self_attn.q_proj.weight", hidden, hidden});
        shapes.push_back({layer + "self_attn.k_proj.weight", kv, hidden});
        shapes.push_back({layer + "self_attn.v_proj.weight", kv, hidden});
    }
    shapes.push_back({layer + "self_attn.o_proj.weight", hidden, hidden});
    shapes.push_back({layer + "post_attention_layernorm.weight", hidden});
    if (model.kind == "phi3") {
        shapes.push_back({layer + "mlp.gate_up_proj.weight", 2 * inner, hidden});
    } else {
        shapes.push_back({layer + "mlp.gate_proj.weight", inner, hidden});
        shapes.push_back({layer + "mlp.up_proj.weight", inner, hidden});
    }
    shapes.push_back({layer + "mlp.down_proj.weight", hidden, inner});
}

std::vector<Shape> shapes_of(const RandomModelShape& model) {
    std::vector<Shape> shapes{
        {"model.embed_tokens.weight", model.vocabulary_size, model.hidden_size},
        {"model.norm.weight", model.hidden_size}};
    for (std::size_t i = 0; i < model.layer_count; ++i)
        add_layer(model, i, shapes);
    if (model.label_count != 0) {
        shapes.push_back({"score.weight", model.label_count, model.hidden_size});
    } else if (!model.ties_embeddings) {
        shapes.push_back({"lm_head.weight", model.vocabulary_size, model.hidden_size});
    }
    return shapes;
}

// Of which the short factors turn as far as without, and the long ones less and less.
std::string longrope_of(const RandomModelShape& model) {
    std::string short_factors;
    std::string long_factors;
    for (std::size_t i = 0; i < model.hidden_size / model.head_count / 2; ++i) {
        const char* const comma = i == 0 ? "" : ", ";
        short_factors += comma + std::string("1");
        long_factors += comma + std::to_string(1 + i);
    }
    return ", \"original_max_position_embeddings\": " +
           std::to_string(model.original_context_tokens) +
           R"(, "rope_scaling": {"type": "longrope", "short_factor": [)" + short_factors +
           R"(], "long_factor": [)" + long_factors + "]}";
}

std::string config_of(const RandomModelShape& model) {
    const auto number = [](const char* key, std::size_t value) {
        return ", \"" + std::string(key) + "\": " + std::to_string(value);
    };
    const std::string family = model.kind == "phi3" ? "Phi3For" : "LlamaFor";
    const char* const purpose = model.label_count == 0 ? "CausalLM" : "SequenceClassification";
    return R"({"model_type": ")" + model.kind + R"(", "architectures": [")" + family + purpose +
           "\"]" + number("hidden_size", model.hidden_size) +
           number("num_hidden_layers", model.layer_count) +
           number("num_attention_heads", model.head_count) +
           number("num_key_value_heads", model.kv_head_count) +
           number("intermediate_size", model.inner_size) +
           number("vocab_size", model.vocabulary_size) +
           number("max_position_embeddings", model.context_tokens) +
           (model.window_tokens == 0 ? "" : number("sliding_window", model.window_tokens)) +
           (model.label_count == 0 ? "" : number("num_labels", model.label_count)) +
           (model.original_context_tokens == 0 ? "" : longrope_of(model)) +
           R"(, "tie_word_embeddings": )" + (model.ties_embeddings ? "true" : "false") + "}\n";
}

std::string header_of(const std::vector<Shape>& shapes, ElementType type) {
    std::string header;
    std::size_t begin = 0;
    for (const Shape& shape : shapes) {
        const std::size_t end = begin + shape.size() * element_bytes(type);
        header += (header.empty() ? "{\"" : ", \"") + shape.name + R"(": {"dtype": ")" +
                  std::string(to_string(type)) + R"(", "shape": [)" + std::to_string(shape.rows) +
                  (shape.columns == 0 ? "" : ", " + std::to_string(shape.columns)) +
                  R"(], "data_offsets": [)" + std::to_string(begin) + ", " + std::to_string(end) +
                  "]}";
        begin = end;
    }
    header += '}';
    header.append((8 - header.size() % 8) % 8, ' ');
    return header;
}

// SplitMix64 (Steele, Lea, Flood 2014): good enough, and as fast as a disk.
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() noexcept {
        std::uint64_t value = state_ += 0x9E3779B97F4A7C15ull;
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9ull;
        value = (value ^ value >> 27) * 0x94D049BB133111EBull;
        return value ^ value >> 31;
    }

private:
    std::uint64_t state_;
};

// Numbers of either sign from 2^-exponent to four times as much, as f16, as bf16 or as the float
// that has it for its upper half.
void fill(std::vector<char>& bytes, ElementType type, unsigned exponent, Random& random) {
    const bool is_f16 = type == ElementType::f16;
    const unsigned least = is_f16 ? (15 - exponent) << 10 : (127 - exponent) << 7;
    const unsigned drawn = is_f16 ? 0x87ff : 0x80ff;  // the sign, one of the exponent, the fraction
    const std::size_t element = element_bytes(type);
    std::uint64_t bits = 0;
    for (std::size_t at = 0, left = 0; at < bytes.size(); at += element, --left) {
        if (left == 0) {
            bits = random.next();
            left = 4;
        }
        // Added, since the lowest bit of the exponent may be set already.
        const auto number = static_cast<std::uint16_t>(least + (bits & drawn & 0x7fff));
        const auto sign = static_cast<std::uint16_t>(bits & 0x8000);
        bits >>= 16;
        const auto both = static_cast<std::uint16_t>(number | sign);
        std::memcpy(&bytes[at + element - sizeof both], &both, sizeof both);
    }
}

// So that a sum of as many products is about as large as what went in, and attention prefers some
// tokens to others: with smaller ones all would have the same share, and nobody would notice whose
// values they are.
unsigned exponent_for(const Shape& shape) {
    if (shape.columns == 0) return 1;  // of norms
    return static_cast<unsigned>(std::bit_width(shape.columns) / 2);
}

// A stream does not say why.
Error cannot_write(const fs::path& path) {
    return {ErrorCode::io_failed, path.string() + " cannot be written"};
}

}  // namespace

RandomModelShape RandomModelShape::phi3_mini() {
    return {.kind = "phi3",
            .hidden_size = 3072,
            .inner_size = 8192,
            .layer_count = 32,
            .head_count = 32,
            .kv_head_count = 32,
            .vocabulary_size = 32'064,
            .context_tokens = 4096,
            .ties_embeddings = false,
            .type = ElementType::bf16};
}

Result<void> write_random_model(const RandomModelShape& shape, std::uint64_t seed,
                                const fs::path& folder) {
    constexpr std::size_t kPieceBytes = 1 << 20;
    const fs::path path = folder / "model.safetensors";
    std::ofstream file(path, std::ios::binary);
    const std::vector<Shape> shapes = shapes_of(shape);
    const std::string header = header_of(shapes, shape.type);
    const std::uint64_t header_bytes = header.size();
    file.write(reinterpret_cast<const char*>(&header_bytes), sizeof header_bytes);
    file << header;
    Random random(seed);
    std::vector<char> piece;
    for (const Shape& one : shapes) {
        std::size_t left = one.size() * element_bytes(shape.type);
        while (left != 0 && file) {
            piece.assign(std::min(left, kPieceBytes), '\0');
            fill(piece, shape.type, exponent_for(one), random);
            file.write(piece.data(), static_cast<std::streamsize>(piece.size()));
            left -= piece.size();
        }
    }
    if (shape.poisons_last_token) {
        // The embedding is the first tensor. Of every kind of number all ones are none.
        const std::string row(shape.hidden_size * element_bytes(shape.type), '\xFF');
        file.seekp(static_cast<std::streamoff>(sizeof header_bytes + header.size() +
                                               (shape.vocabulary_size - 1) * row.size()));
        file << row;
    }
    if (!file.flush()) return cannot_write(path);
    std::ofstream config(folder / "config.json");
    config << config_of(shape);
    if (!config.flush()) return cannot_write(folder / "config.json");
    return {};
}

Result<ModelWeights> make_random_model(const RandomModelShape& shape, std::uint64_t seed) {
    std::string name = (fs::temp_directory_path() / "casc-model-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) return cannot_write(name);
    const auto written = write_random_model(shape, seed, name);
    auto weights = written ? ModelWeights::open(name) : Result<ModelWeights>(written.error());
    std::error_code ignored;
    fs::remove_all(name, ignored);  // what is mapped stays until it is not
    return weights;
}

}  // namespace casc::gpu
