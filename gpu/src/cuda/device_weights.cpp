#include "cuda/device_weights.hpp"

#include "cpu/kernels.hpp"
#include "model/to_8_bits.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace casc::gpu::cuda {
namespace {

constexpr std::size_t kPieceBytes = 16u << 20;

std::size_t tables_of(const ModelConfig& model) {
    return model.rope.kind == RopeScaling::Kind::longrope ? 2 : 1;
}

// Copies from anywhere to the device, in order.
class Uploader {
public:
    [[nodiscard]] static Result<Uploader> make() {
        Uploader uploader;
        CASC_TRY(uploader.stream_, make_stream());
        CASC_TRY(uploader.memory_, make_pinned_memory(2 * kPieceBytes));
        for (Piece& piece : uploader.pieces_) {
            piece.bytes = uploader.memory_.take<std::byte>(kPieceBytes);
            CASC_TRY(piece.is_free, make_event());
        }
        return uploader;
    }
    [[nodiscard]] Result<void> copy(const void* from, std::size_t bytes, void* to) {
        return put(bytes, to, [&](std::size_t at, std::span<std::byte> piece) {
            std::memcpy(piece.data(), static_cast<const std::byte*>(from) + at, piece.size());
        });
    }
    // What fill(at, piece) puts into each piece.
    template <class Fill>
    [[nodiscard]] Result<void> put(std::size_t bytes, void* to, Fill&& fill) {
        for (std::size_t at = 0; at < bytes; at += kPieceBytes) {
            const std::size_t count = std::min(kPieceBytes, bytes - at);
            Piece& piece = pieces_[turn_++ % pieces_.size()];
            CASC_TRY_VOID(check(cudaEventSynchronize(piece.is_free.get()), "wait for a copy"));
            fill(at, std::span(piece.bytes, count));
            CASC_TRY_VOID(check(cudaMemcpyAsync(static_cast<std::byte*>(to) + at, piece.bytes,
                                                count, cudaMemcpyHostToDevice, stream_.get()),
                                "copy weights"));
            CASC_TRY_VOID(
                check(cudaEventRecord(piece.is_free.get(), stream_.get()), "note a copy"));
        }
        return {};
    }
    [[nodiscard]] Result<void> finish() {
        return check(cudaStreamSynchronize(stream_.get()), "copy weights");
    }

private:
    struct Piece {
        std::byte* bytes = nullptr;
        Event is_free;
    };
    PinnedMemory memory_;
    std::array<Piece, 2> pieces_;
    Stream stream_;
    std::size_t turn_ = 0;
};

struct Upload {
    Uploader& uploader;
    DeviceMemory& memory;
    const bool has_8_bits;

    Upload(Uploader& by, DeviceMemory& to, bool layers_have_8_bits)
        : uploader(by), memory(to), has_8_bits(layers_have_8_bits) {}
    // Also when it has failed in the middle: what is on its way reads the pinned memory.
    ~Upload() { static_cast<void>(uploader.finish()); }
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;

    // One matrix of several, of the type that the layers have.
    Result<DeviceMatrix> matrices(std::initializer_list<const WeightMatrix*> parts) const {
        return has_8_bits ? in_8_bits(parts) : as_they_are(parts);
    }
    Result<DeviceMatrix> as_they_are(std::initializer_list<const WeightMatrix*> parts) const {
        std::size_t bytes = 0;
        for (const WeightMatrix* part : parts)
            bytes += part->bytes();
        auto* const to = memory.take<std::byte>(bytes);
        std::size_t at = 0;
        for (const WeightMatrix* part : parts) {
            CASC_TRY_VOID(uploader.copy(part->data, part->bytes(), to + at));
            at += part->bytes();
        }
        return DeviceMatrix{to};
    }
    Result<DeviceMatrix> in_8_bits(std::initializer_list<const WeightMatrix*> parts) const {
        std::size_t count = 0;
        Bf16Range range;
        for (const WeightMatrix* part : parts) {
            count += part->bytes() / sizeof(std::uint16_t);
            range.include({part->data, part->bytes()});
        }
        auto* const to = memory.take<std::byte>(count);
        const To8Bits to_8_bits(range.scale());
        std::size_t at = 0;
        for (const WeightMatrix* part : parts) {
            const std::size_t numbers = part->bytes() / sizeof(std::uint16_t);
            CASC_TRY_VOID(
                uploader.put(numbers, to + at, [&](std::size_t first, std::span<std::byte> piece) {
                    to_8_bits.convert(part->data + first * sizeof(std::uint16_t), piece);
                }));
            at += numbers;
        }
        return DeviceMatrix{to, range.scale()};
    }
    Result<const float*> floats(const std::vector<float>& numbers) const {
        auto* const to = memory.take<float>(numbers.size());
        CASC_TRY_VOID(uploader.copy(numbers.data(), numbers.size() * sizeof(float), to));
        return static_cast<const float*>(to);
    }
    Result<const float*> norm(const WeightMatrix& norm) const {
        std::vector<float> numbers(norm.columns);
        cpu::widen(norm.type, norm.data, norm.columns, numbers.data());
        return floats(numbers);
    }
};

std::vector<float> turns_of(const ModelConfig& model, const Rope& rope, std::size_t positions) {
    const std::size_t size = model.head_size;
    std::vector<float> turns(tables_of(model) * positions * size);
    for (std::size_t table = 0; table < tables_of(model); ++table)
        for (std::size_t position = 0; position < positions; ++position)
            rope.table(table == 1)
                .turns_at(position,
                          std::span(turns).subspan((table * positions + position) * size, size));
    return turns;
}

}  // namespace

Result<NumberTypes> types_of(const ModelWeights& weights, bool to_8_bits) {
    const ElementType type = weights.embedding().type;
    const auto same = [&](const WeightMatrix& matrix) { return matrix.type == type; };
    const bool all_same =
        same(weights.head()) && std::ranges::all_of(weights.layers(), [&](const LayerWeights& is) {
            return same(is.q) && same(is.k) && same(is.v) && same(is.o) && same(is.gate) &&
                   same(is.up) && same(is.down);
        });
    if (all_same && !to_8_bits) return NumberTypes{type, type};
    if (all_same && type == ElementType::bf16) return NumberTypes{type, ElementType::f8_e4m3};
    if (all_same)
        return Error(ErrorCode::not_supported, "weights of " + std::string(to_string(type)) +
                                                   " are not made 8 bits; those of BF16 are");
    return Error(ErrorCode::not_supported,
                 "the model's matrices have numbers of several types; on a GPU all must have one");
}

std::size_t device_weight_bytes(const ModelWeights& weights, const BackendLimits& limits,
                                const NumberTypes& types) {
    const ModelConfig& model = weights.config();
    // Each part is rounded up.
    const std::size_t parts = 7 * weights.layers().size() + 4;
    const std::size_t norms = (2 * weights.layers().size() + 1) * model.hidden_size * sizeof(float);
    const std::size_t turns =
        tables_of(model) * limits.context_tokens * model.head_size * sizeof(float);
    const std::size_t layers = weights.layer_bytes();
    const std::size_t ends = weights.bytes() - layers;
    return ends + (types.has_8_bits() ? layers / 2 : layers) + norms + turns +
           parts * DeviceMemory::kAlignment;
}

Result<DeviceWeights> upload(const ModelWeights& weights, const Rope& rope,
                             const BackendLimits& limits, const NumberTypes& types,
                             DeviceMemory& memory) {
    CASC_TRY(Uploader uploader, Uploader::make());
    const Upload upload{uploader, memory, types.has_8_bits()};
    DeviceWeights there;
    CASC_TRY(const DeviceMatrix embedding, upload.as_they_are({&weights.embedding()}));
    there.embedding = embedding.data;
    for (const LayerWeights& from : weights.layers()) {
        DeviceLayer& layer = there.layers.emplace_back();
        CASC_TRY(layer.input_norm, upload.norm(from.input_norm));
        CASC_TRY(layer.qkv, upload.matrices({&from.q, &from.k, &from.v}));
        CASC_TRY(layer.o, upload.matrices({&from.o}));
        CASC_TRY(layer.inner_norm, upload.norm(from.inner_norm));
        CASC_TRY(layer.gate_and_up, upload.matrices({&from.gate, &from.up}));
        CASC_TRY(layer.down, upload.matrices({&from.down}));
    }
    CASC_TRY(there.final_norm, upload.norm(weights.final_norm()));
    there.head = embedding;
    if (!weights.is_tied()) {
        CASC_TRY(there.head, upload.as_they_are({&weights.head()}));
    }
    CASC_TRY(there.turns, upload.floats(turns_of(weights.config(), rope, limits.context_tokens)));
    CASC_TRY_VOID(uploader.finish());
    return there;
}

}  // namespace casc::gpu::cuda
