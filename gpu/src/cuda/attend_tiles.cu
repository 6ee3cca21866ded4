#include "cuda/attention.cuh"
#include "cuda/key_tile.cuh"
#include "cuda/launch.cuh"
#include "cuda/reduce.cuh"
#include "cuda/seen.cuh"
#include "cuda/tensor_cores.cuh"

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kThreads = 128;
constexpr std::uint32_t kQueries = PromptTile::kTokensMax;
constexpr std::uint32_t kQueriesOfWarp = kPieceRows;
static_assert(kQueries == kThreads / kWarpThreads * kQueriesOfWarp);
constexpr std::uint32_t kKeys = 64;  // at once
constexpr std::uint32_t kKeyPieces = kKeys / kPieceColumns;

// The softmax of two queries of each thread, as far as keys have been seen: queries lane / 4 and 8
// further of its warp's.
template <class T>
struct RunningSoftmax {
    float most[2] = {-INFINITY, -INFINITY};
    float all[2] = {};

    // Scores become shares of the largest one so far; what sums of values are to be multiplied with
    // is left in `kept`.
    __device__ void add(float (&scores)[kKeyPieces][4], float (&kept)[2]) {
#pragma unroll
        for (std::uint32_t half = 0; half < 2; ++half) {
            float new_most = most[half];
#pragma unroll
            for (std::uint32_t i = 0; i < kKeyPieces; ++i) {
                new_most = Maximum()(new_most, scores[i][half * 2]);
                new_most = Maximum()(new_most, scores[i][half * 2 + 1]);
            }
            new_most = reduce_lanes<4>(new_most, Maximum());
            // Nothing seen so far: no shares, and nothing to carry over.
            kept[half] = most[half] == -INFINITY ? 0 : power_of_2(most[half] - new_most);
            const float less = (new_most == -INFINITY ? 0 : new_most) - kShareExponent<T>;
            float more = 0;
#pragma unroll
            for (std::uint32_t i = 0; i < kKeyPieces; ++i) {
#pragma unroll
                for (std::uint32_t k = half * 2; k < half * 2 + 2; ++k) {
                    scores[i][k] = power_of_2(scores[i][k] - less);
                    more += scores[i][k];
                }
            }
            all[half] = all[half] * kept[half] + reduce_lanes<4>(more, Sum());
            most[half] = new_most;
        }
    }
};

// The keys that some queries of a tile see, of those from `at` on.
struct Mask {
    std::uint32_t at = 0;
    std::uint32_t window = 0;  // 0: to the beginning

    [[nodiscard]] __device__ bool has(std::uint32_t position, std::uint32_t key) const {
        return at + key <= position && (window == 0 || at + key + window > position);
    }
    // All keys of the tile, for so many queries from `position` on.
    [[nodiscard]] __device__ bool has_all(std::uint32_t position, std::uint32_t queries) const {
        return has(position, kKeys - 1) && (window == 0 || at + window > position + queries - 1);
    }
};

// Each score of a thread, with the position of its query and its key, counted from the tile's
// first.
template <class What>
__device__ void for_each_score(float (&scores)[kKeyPieces][4], std::uint32_t warp_position,
                               What&& what) {
    const std::uint32_t lane = threadIdx.x % kWarpThreads;
#pragma unroll
    for (std::uint32_t i = 0; i < kKeyPieces; ++i) {
#pragma unroll
        for (std::uint32_t k = 0; k < 4; ++k)
            what(scores[i][k], warp_position + lane / 4 + k / 2 * 8,
                 i * kPieceColumns + lane % 4 * 2 + k % 2);
    }
}

// Values that are no numbers become 0, and are marked: 0 times such a one is none either, and would
// reach queries that do not see it. By all threads, each half of a row.
template <class T, class Tile>
__device__ void clear_poison(Tile& values, std::uint32_t packs, bool (&is_poisoned)[kKeys]) {
    static_assert(kThreads == 2 * kKeys);
    const std::uint32_t row = threadIdx.x / 2;
    Pack<T>* const its_row = values.rows + row * row_stride(packs);
    bool is_none = false;
    for (std::uint32_t pack = threadIdx.x % 2; pack < packs; pack += 2) {
        const Pack<T> its = its_row[pack];
#pragma unroll
        for (int i = 0; i < Pack<T>::kCount; ++i) {
            const float number = to_float(its.numbers[i]);
            is_none = is_none || !(number - number == 0);
        }
    }
    is_none = reduce_lanes<2>(is_none ? 1u : 0u, AnyBits()) != 0;
    if (threadIdx.x % 2 == 0) is_poisoned[row] = is_none;
    if (!is_none) return;
    for (std::uint32_t pack = threadIdx.x % 2; pack < packs; pack += 2)
        its_row[pack] = {};
}

// One block for each (head, tile): of each warp 16 queries.
template <class T, std::uint32_t kSizeMax>
__global__ void __launch_bounds__(kThreads)
    attend_tiles_kernel(StepSlab slab, HeadShape shape, const T* qkv, const T* keys,
                        const T* values, T* attended) {
    constexpr std::uint32_t kPack = Pack<T>::kCount;
    constexpr std::uint32_t kInnerPieces = (kSizeMax + kPieceInner - 1) / kPieceInner;
    __shared__ KeyTile<T, kKeys, kSizeMax> key_tile;  // and of the queries, at first
    __shared__ KeyTile<T, kKeys, kSizeMax> value_tile;
    __shared__ bool is_poisoned[kKeys];
    static_assert(kQueries <= kKeys);

    // The last tiles of a prompt see most keys: they begin first, so that none is left for the end.
    const PromptTile tile = slab.tiles()[gridDim.y - 1 - blockIdx.y];
    const TokenParameters first = slab.tokens()[tile.first_token];
    const std::uint32_t head = blockIdx.x;
    const std::uint32_t kv_head = head / (shape.heads / shape.kv_heads);
    const std::uint32_t size = shape.head_size;
    const std::uint32_t packs = size / kPack;
    const std::uint32_t stride = row_stride(packs) * kPack;
    const std::uint32_t qkv_numbers = (shape.heads + 2 * shape.kv_heads) * size;
    const std::uint32_t warp = threadIdx.x / kWarpThreads;
    const std::uint32_t lane = threadIdx.x % kWarpThreads;
    const PieceRow sideways = PieceRow::sideways(lane);
    const PieceRow downward = PieceRow::downward(lane);
    const T* const key_numbers = key_tile.rows[0].numbers;
    const T* const value_numbers = value_tile.rows[0].numbers;

    key_tile.template clear_ends<kThreads>(packs);
    key_tile.template load<kThreads>(
        qkv + static_cast<std::size_t>(tile.first_token) * qkv_numbers + head * size,
        qkv_numbers / kPack, 0, tile.count, packs);
    wait_for_copies<0>();
    __syncthreads();
    std::uint32_t queries[kInnerPieces][4];
#pragma unroll
    for (std::uint32_t i = 0; i < kInnerPieces; ++i)
        if (i * kPieceInner < size)
            load_pieces(queries[i], key_numbers + (warp * kQueriesOfWarp + downward.row) * stride +
                                        i * kPieceInner + downward.column);
    __syncthreads();

    const Seen by_any = Seen::by_any(first.position, tile.count, shape);
    const T* const its_keys = head_cache(keys, shape, first.slot, kv_head);
    const T* const its_values = head_cache(values, shape, first.slot, kv_head);
    // A group of copies for each tile of keys or values, also where there is none.
    const auto load = [&](auto& key_or_value_tile, const T* cache, std::uint32_t at) {
        const std::uint32_t left = at < by_any.end ? by_any.end - at : 0;
        key_or_value_tile.template load<kThreads>(cache + static_cast<std::size_t>(at) * size,
                                                  packs, at < by_any.first ? by_any.first - at : 0,
                                                  left < kKeys ? left : kKeys, packs);
    };
    const std::uint32_t begin = by_any.first / kKeys * kKeys;
    load(key_tile, its_keys, begin);
    load(value_tile, its_values, begin);

    const std::uint32_t warp_position = first.position + warp * kQueriesOfWarp;
    const bool has_queries = warp * kQueriesOfWarp < tile.count;
    const float scale = kLog2OfE * rsqrtf(static_cast<float>(size));
    RunningSoftmax<T> softmax;
    float sum[kSizeMax / kPieceColumns][4] = {};
    for (std::uint32_t at = begin; at < by_any.end; at += kKeys) {
        if (at < by_any.first) value_tile.template clear<kThreads>(0, by_any.first - at, packs);
        if (by_any.end - at < kKeys)
            value_tile.template clear<kThreads>(by_any.end - at, kKeys, packs);
        const bool sees_some = has_queries && at < warp_position + kQueriesOfWarp;
        wait_for_copies<1>();  // the keys are there
        __syncthreads();
        float scores[kKeyPieces][4] = {};
        if (sees_some) {
#pragma unroll
            for (std::uint32_t i = 0; i < kInnerPieces; ++i) {
                if (i * kPieceInner >= size) break;
#pragma unroll
                for (std::uint32_t key = 0; key < kKeyPieces; key += 2) {
                    std::uint32_t pieces[4];
                    load_pieces(pieces, key_numbers +
                                            (key * kPieceColumns + sideways.row) * stride +
                                            i * kPieceInner + sideways.column);
                    multiply_pieces<T>(scores[key], queries[i], pieces[0], pieces[1]);
                    multiply_pieces<T>(scores[key + 1], queries[i], pieces[2], pieces[3]);
                }
            }
        }
        __syncthreads();  // they have been read
        load(key_tile, its_keys, at + kKeys);
        const Mask mask{at, shape.window_tokens};
        if (sees_some) {
            const bool has_all = mask.has_all(warp_position, kQueriesOfWarp);
            for_each_score(scores, warp_position,
                           [&](float& score, std::uint32_t position, std::uint32_t key) {
                               score =
                                   has_all || mask.has(position, key) ? score * scale : -INFINITY;
                           });
            float kept[2];
            softmax.add(scores, kept);
#pragma unroll
            for (auto& piece : sum) {
                piece[0] *= kept[0];
                piece[1] *= kept[0];
                piece[2] *= kept[1];
                piece[3] *= kept[1];
            }
        }
        wait_for_copies<1>();  // the values are there
        __syncthreads();
        if (!mask.has_all(first.position, tile.count)) {
            clear_poison<T>(value_tile, packs, is_poisoned);
            __syncthreads();
            for_each_score(scores, warp_position,
                           [&](float& score, std::uint32_t position, std::uint32_t key) {
                               if (is_poisoned[key] && mask.has(position, key)) score = NAN;
                           });
        }
        if (sees_some) {
#pragma unroll
            for (std::uint32_t key = 0; key < kKeyPieces; key += 2) {
                std::uint32_t shares[4];
                std::uint32_t rests[4];
#pragma unroll
                for (std::uint32_t i = 0; i < 4; ++i) {
                    const float* const pair = &scores[key + i / 2][i % 2 * 2];
                    const PairOfParts parts = parts_of<T>(pair[0], pair[1]);
                    shares[i] = parts.most;
                    rests[i] = parts.rest;
                }
#pragma unroll
                for (std::uint32_t i = 0; i < kInnerPieces; ++i) {
                    if (i * kPieceInner >= size) break;
                    std::uint32_t pieces[4];
                    load_turned_pieces(pieces, value_numbers +
                                                   (key * kPieceColumns + downward.row) * stride +
                                                   i * kPieceInner + downward.column);
                    multiply_pieces<T>(sum[2 * i], shares, pieces[0], pieces[1]);
                    multiply_pieces<T>(sum[2 * i + 1], shares, pieces[2], pieces[3]);
                    multiply_pieces<T>(sum[2 * i], rests, pieces[0], pieces[1]);
                    multiply_pieces<T>(sum[2 * i + 1], rests, pieces[2], pieces[3]);
                }
            }
        }
        __syncthreads();  // they have been read
        load(value_tile, its_values, at + kKeys);
    }
#pragma unroll
    for (std::uint32_t half = 0; half < 2; ++half) {
        const std::uint32_t query = warp * kQueriesOfWarp + lane / 4 + half * 8;
        if (query >= tile.count) continue;
        T* const out =
            attended +
            (static_cast<std::size_t>(tile.first_token + query) * shape.heads + head) * size;
#pragma unroll
        for (std::uint32_t i = 0; i < kSizeMax / kPieceColumns; ++i)
            if (i * kPieceColumns < size)
                *reinterpret_cast<std::uint32_t*>(out + i * kPieceColumns + lane % 4 * 2) =
                    pair_of<T>(sum[i][half * 2] / softmax.all[half],
                               sum[i][half * 2 + 1] / softmax.all[half]);
    }
}

}  // namespace

template <class T>
void attend_tiles(cudaStream_t stream, std::uint32_t tiles, const StepSlab& slab,
                  const HeadShape& shape, const T* qkv, const T* keys, const T* values,
                  T* attended) {
    with_head_size(shape.head_size, [&](auto size_max) {
        launch(attend_tiles_kernel<T, size_max()>, {dim3(shape.heads, tiles), kThreads}, stream,
               slab, shape, qkv, keys, values, attended);
    });
}

#define CASC_FOR(T)                                                                            \
    template void attend_tiles(cudaStream_t, std::uint32_t, const StepSlab&, const HeadShape&, \
                               const T*, const T*, const T*, T*)
CASC_FOR(Bf16);
CASC_FOR(F16);
#undef CASC_FOR

}  // namespace casc::gpu::cuda
