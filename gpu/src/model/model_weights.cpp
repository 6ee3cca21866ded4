#include <casc/gpu/model_weights.hpp>
#include <casc/types/cut_text.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

namespace casc::gpu {
namespace {

constexpr std::size_t kTensorNameBytesMax = 200;  // in an error
constexpr std::uint64_t kConfigBytesMax = 16u << 20;

Error unusable_tensor(std::string_view name, const std::string& why) {
    return Error(ErrorCode::model_unusable,
                 "tensor '" + std::string(cut_text(name, kTensorNameBytesMax)) + "' " + why);
}

bool is_computed_with(ElementType type) {
    return type == ElementType::f32 || type == ElementType::bf16 || type == ElementType::f16;
}

// Finds tensors by name and remembers the first that is not as expected, so that whoever takes many
// asks once.
class WeightTaker {
public:
    explicit WeightTaker(const TensorFiles& files) : files_(files) {}

    WeightMatrix matrix(const std::string& name, std::size_t rows, std::size_t columns) {
        return take(name, rows, columns,
                    "[" + std::to_string(rows) + ", " + std::to_string(columns) + "]");
    }
    // As a matrix of one row.
    WeightMatrix vector(const std::string& name, std::size_t size) {
        return take(name, 1, size, "[" + std::to_string(size) + "]");
    }
    [[nodiscard]] bool has(const std::string& name) const { return files_.find(name) != nullptr; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] Result<void> done() const {
        if (trouble_) return *trouble_;
        for (const Tensor& tensor : files_.all())
            if (!taken_.contains(tensor.name) && !is_rotary_table(tensor.name))
                return unusable_tensor(tensor.name, "is " + tensor.description() +
                                                        ", and the config has no use for it");
        return {};
    }

private:
    // model.rotary_emb.inv_freq, or one for each layer.
    static bool is_rotary_table(std::string_view name) {
        return name.starts_with("model.") && name.ends_with("rotary_emb.inv_freq");
    }
    WeightMatrix take(const std::string& name, std::size_t rows, std::size_t columns,
                      const std::string& shape) {
        const Tensor* const tensor = files_.find(name);
        if (tensor == nullptr) {
            trouble(name, "is missing; expected " + shape);
            return {};
        }
        // "F32 [2, 3]" without its type.
        const std::string found = tensor->description();
        if (!is_computed_with(tensor->type) || found.substr(found.find('[')) != shape) {
            trouble(name, "is " + found + "; expected F32, BF16 or F16 " + shape);
            return {};
        }
        taken_.insert(tensor->name);
        bytes_ += tensor->bytes.size();
        return {rows, columns, tensor->type, tensor->bytes.data()};
    }
    void trouble(std::string_view name, const std::string& why) {
        if (!trouble_) trouble_ = unusable_tensor(name, why);
    }

    const TensorFiles& files_;
    std::set<std::string_view> taken_;
    std::size_t bytes_ = 0;
    std::optional<Error> trouble_;
};

void take_attention(WeightTaker& take, const ModelConfig& config, const std::string& prefix,
                    LayerWeights& layer) {
    const std::size_t queries = config.query_size();
    const std::size_t values = config.kv_size();
    layer.o = take.matrix(prefix + "o_proj.weight", config.hidden_size, queries);
    if (config.kind != "phi3") {
        layer.q = take.matrix(prefix + "q_proj.weight", queries, config.hidden_size);
        layer.k = take.matrix(prefix + "k_proj.weight", values, config.hidden_size);
        layer.v = take.matrix(prefix + "v_proj.weight", values, config.hidden_size);
        return;
    }
    const WeightMatrix fused =
        take.matrix(prefix + "qkv_proj.weight", queries + 2 * values, config.hidden_size);
    if (fused.data == nullptr) return;
    layer.q = fused.rows_from(0, queries);
    layer.k = fused.rows_from(queries, values);
    layer.v = fused.rows_from(queries + values, values);
}

void take_inner(WeightTaker& take, const ModelConfig& config, const std::string& prefix,
                LayerWeights& layer) {
    const std::size_t inner = config.inner_size;
    layer.down = take.matrix(prefix + "down_proj.weight", config.hidden_size, inner);
    if (config.kind != "phi3") {
        layer.gate = take.matrix(prefix + "gate_proj.weight", inner, config.hidden_size);
        layer.up = take.matrix(prefix + "up_proj.weight", inner, config.hidden_size);
        return;
    }
    const WeightMatrix fused =
        take.matrix(prefix + "gate_up_proj.weight", 2 * inner, config.hidden_size);
    if (fused.data == nullptr) return;
    layer.gate = fused.rows_from(0, inner);
    layer.up = fused.rows_from(inner, inner);
}

LayerWeights take_layer(WeightTaker& take, const ModelConfig& config, std::size_t number) {
    const std::string prefix = "model.layers." + std::to_string(number) + ".";
    LayerWeights layer;
    layer.input_norm = take.vector(prefix + "input_layernorm.weight", config.hidden_size);
    take_attention(take, config, prefix + "self_attn.", layer);
    layer.inner_norm = take.vector(prefix + "post_attention_layernorm.weight", config.hidden_size);
    take_inner(take, config, prefix + "mlp.", layer);
    return layer;
}

Result<MappedFile> open_config(const std::filesystem::path& path) {
    CASC_TRY(MappedFile file, MappedFile::open(path));
    if (file.bytes().size() > kConfigBytesMax)
        return Error(ErrorCode::model_unusable, path.filename().string() + " is too large");
    return file;
}

std::string_view text_in(const MappedFile& file) {
    return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

bool are_same(const WeightMatrix& a, const WeightMatrix& b) {
    if (a.data == b.data) return true;
    return a.type == b.type && std::equal(a.data, a.data + a.bytes(), b.data);
}

}  // namespace

Result<ModelWeights> ModelWeights::make(TensorFiles files, ModelConfig config) {
    ModelWeights weights(std::move(files), std::move(config));
    const ModelConfig& is = weights.config_;
    WeightTaker take(weights.files_);
    weights.embedding_ =
        take.matrix("model.embed_tokens.weight", is.vocabulary_size, is.hidden_size);
    for (std::size_t i = 0; i < is.layer_count; ++i)
        weights.layers_.push_back(take_layer(take, is, i));
    weights.final_norm_ = take.vector("model.norm.weight", is.hidden_size);
    const std::string name = is.classifies() ? "score.weight" : "lm_head.weight";
    const std::size_t outputs = is.classifies() ? is.labels.size() : is.vocabulary_size;
    const bool is_tied = is.ties_embeddings && !is.classifies();
    const WeightMatrix last = is_tied && !take.has(name)
                                  ? weights.embedding_
                                  : take.matrix(name, outputs, is.hidden_size);
    CASC_TRY_VOID(take.done());
    if (is_tied && !are_same(last, weights.embedding_))
        return unusable_tensor(name, "differs from the embedding, and the config ties them");
    weights.head_ = is_tied ? weights.embedding_ : last;
    // Nobody reads a tied matrix that is there a second time.
    weights.bytes_ = take.bytes() - (is_tied && take.has(name) ? last.bytes() : 0);
    return weights;
}

Result<ModelWeights> ModelWeights::open(const std::filesystem::path& folder) {
    CASC_TRY(const MappedFile file, open_config(folder / "config.json"));
    CASC_TRY(ModelConfig config, ModelConfig::parse(text_in(file)));
    std::error_code ignored;
    if (const auto path = folder / "generation_config.json";
        std::filesystem::exists(path, ignored)) {
        CASC_TRY(const MappedFile generation, open_config(path));
        CASC_TRY_VOID(config.read_generation(text_in(generation)));
    }
    CASC_TRY(TensorFiles files, TensorFiles::open(folder));
    return make(std::move(files), std::move(config));
}

}  // namespace casc::gpu
