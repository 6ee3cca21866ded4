#include "cuda/attention.cuh"
#include "cuda/join_splits.cuh"
#include "cuda/key_tile.cuh"
#include "cuda/launch.cuh"
#include "cuda/lone_token.cuh"
#include "cuda/reduce.cuh"
#include "cuda/seen.cuh"
#include "cuda/tensor_cores.cuh"

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kThreads = 128;
constexpr std::uint32_t kWarps = kThreads / kWarpThreads;
constexpr std::uint32_t kHeadsAtOnce = kPieceRows;  // of queries that share keys
constexpr std::uint32_t kKeys = 64;
constexpr std::uint32_t kKeysOfWarp = kKeys / kWarps;
// For which the shared memory of a multiprocessor of an H100 has room.
template <std::uint32_t kSizeMax>
constexpr unsigned kBlocksAtOnce = kSizeMax <= 96 ? 8 : 6;
static_assert(kKeys == kSplitTokens<Bf16> && kKeysOfWarp == kPieceInner);

// Of the queries of a block, turned: columns `at` to `at` + 16. Rows that there are not are 0.
template <class T>
__device__ void load_queries(std::uint32_t (&pieces)[4], const T* queries, std::uint32_t heads,
                             const Rotary& rotary, std::uint32_t at) {
    const std::uint32_t lane = threadIdx.x % kWarpThreads;
#pragma unroll
    for (std::uint32_t i = 0; i < 4; ++i) {
        const std::uint32_t row = lane / 4 + i % 2 * 8;
        const std::uint32_t column = at + i / 2 * 8 + lane % 4 * 2;
        pieces[i] = 0;
        if (row >= heads || column >= rotary.head_size) continue;
        const TwoFloats two = rotary.turned(queries + row * rotary.head_size, column);
        pieces[i] = pair_of<T>(two.first, two.second);
    }
}

// One block for each (split, heads that share keys, token): all of those heads' queries are the
// rows of one matrix, 16 at a time. Splits begin at the sequence's beginning and not where the
// window does.
template <class T, std::uint32_t kSizeMax>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce<kSizeMax>)
    attend_split_kernel(StepSlab slab, HeadShape shape, RotaryTables tables, const T* qkv, T* keys,
                        T* values, LoneWork work, T* attended) {
    constexpr std::uint32_t kPack = Pack<T>::kCount;
    constexpr std::uint32_t kInnerPieces = (kSizeMax + kPieceInner - 1) / kPieceInner;
    const std::uint32_t token = blockIdx.z;
    if (token >= slab.counts()->lone_tokens) return;
    const TokenParameters is = slab.tokens()[token];
    const Seen seen = Seen::by(is.position, shape);
    const SeenOfSplit split = seen.of_split<T>(blockIdx.x);
    if (split.end == 0) return;

    __shared__ KeyTile<T, kKeys, kSizeMax> key_tile;
    __shared__ KeyTile<T, kKeys, kSizeMax> value_tile;
    __shared__ float warp_most[kWarps][kHeadsAtOnce];
    __shared__ float warp_all[kWarps][kHeadsAtOnce];
    const std::uint32_t size = shape.head_size;
    const std::uint32_t packs = size / kPack;
    const std::uint32_t stride = row_stride(packs) * kPack;
    const std::uint32_t group = shape.heads / shape.kv_heads;
    const std::uint32_t passes = (group + kHeadsAtOnce - 1) / kHeadsAtOnce;
    const std::uint32_t kv_head = blockIdx.y / passes;
    const std::uint32_t skipped = blockIdx.y % passes * kHeadsAtOnce;
    const std::uint32_t heads = group - skipped < kHeadsAtOnce ? group - skipped : kHeadsAtOnce;
    const std::uint32_t head = kv_head * group + skipped;
    const std::size_t place = static_cast<std::size_t>(blockIdx.x * kKeys) * size;
    T* const its_keys = head_cache(keys, shape, is.slot, kv_head) + place;
    T* const its_values = head_cache(values, shape, is.slot, kv_head) + place;
    key_tile.template clear_ends<kThreads>(packs);
    const std::uint32_t cached_end = split.cached_end();
    key_tile.template load<kThreads>(its_keys, packs, split.first, cached_end, packs);
    value_tile.template load<kThreads>(its_values, packs, split.first, cached_end, packs);
    // 0 times what is no number is none either.
    value_tile.template clear<kThreads>(0, split.first, packs);
    value_tile.template clear<kThreads>(split.end, kKeys, packs);
    const T* const row_of_token =
        qkv + static_cast<std::size_t>(token) * (shape.heads + 2 * shape.kv_heads) * size;
    const Rotary rotary = Rotary::of(tables, token, is, shape.context_tokens, size);
    if (split.has_itself) {
        const T* const key = row_of_token + (shape.heads + kv_head) * size;
        // Of several blocks with the same keys the first one keeps them.
        place_itself(rotary, key, key + shape.kv_heads * size, cached_end, key_tile, value_tile,
                     skipped == 0, its_keys + cached_end * size, its_values + cached_end * size);
    }
    std::uint32_t queries[kInnerPieces][4];
#pragma unroll
    for (std::uint32_t i = 0; i < kInnerPieces; ++i)
        load_queries(queries[i], row_of_token + head * size, heads, rotary, i * kPieceInner);

    // Scores: of each warp 16 keys.
    const std::uint32_t warp = threadIdx.x / kWarpThreads;
    const std::uint32_t lane = threadIdx.x % kWarpThreads;
    const PieceRow sideways = PieceRow::sideways(lane);
    const PieceRow downward = PieceRow::downward(lane);
    const T* const key_numbers = key_tile.rows[0].numbers;
    float scores[2][4] = {};
    wait_for_copies<1>();  // the keys are there
    __syncthreads();
#pragma unroll
    for (std::uint32_t i = 0; i < kInnerPieces; ++i) {
        if (i * kPieceInner >= size) break;
        std::uint32_t pieces[4];
        load_pieces(pieces, key_numbers + (warp * kKeysOfWarp + sideways.row) * stride +
                                i * kPieceInner + sideways.column);
        multiply_pieces<T>(scores[0], queries[i], pieces[0], pieces[1]);
        multiply_pieces<T>(scores[1], queries[i], pieces[2], pieces[3]);
    }

    // Shares, as powers of 2, of two heads for each thread.
    const float scale = kLog2OfE * rsqrtf(static_cast<float>(size));
    const std::uint32_t its_head = lane / 4;
    float most[2] = {-INFINITY, -INFINITY};
#pragma unroll
    for (std::uint32_t i = 0; i < 8; ++i) {
        const std::uint32_t key = warp * kKeysOfWarp + i / 4 * kPieceColumns + lane % 4 * 2 + i % 2;
        float& score = scores[i / 4][i % 4];
        score = key >= split.first && key < split.end ? score * scale : -INFINITY;
        most[i / 2 % 2] = Maximum()(most[i / 2 % 2], score);
    }
#pragma unroll
    for (std::uint32_t half = 0; half < 2; ++half) {
        most[half] = reduce_lanes<4>(most[half], Maximum());
        if (lane % 4 == 0) warp_most[warp][its_head + half * 8] = most[half];
    }
    __syncthreads();  // of all warps; and the keys have been read
    auto* const shares = reinterpret_cast<T*>(&key_tile);
    constexpr std::uint32_t kShareStride = row_stride(kKeys / kPack) * kPack;
    constexpr std::uint32_t kShareNumbers = kHeadsAtOnce * kShareStride;
    static_assert(sizeof key_tile >= 2 * kShareNumbers * sizeof(T));
#pragma unroll
    for (std::uint32_t half = 0; half < 2; ++half) {
#pragma unroll
        for (std::uint32_t w = 0; w < kWarps; ++w)
            most[half] = Maximum()(most[half], warp_most[w][its_head + half * 8]);
        float all = 0;
#pragma unroll
        for (std::uint32_t i = 0; i < 2; ++i) {
            float* const pair = &scores[i][half * 2];
#pragma unroll
            for (std::uint32_t k = 0; k < 2; ++k) {
                pair[k] =
                    pair[k] == -INFINITY ? 0 : power_of_2(pair[k] - most[half] + kShareExponent<T>);
                all += pair[k];
            }
            const PairOfParts its_shares = parts_of<T>(pair[0], pair[1]);
            T* const at = shares + (its_head + half * 8) * kShareStride + warp * kKeysOfWarp +
                          i * kPieceColumns + lane % 4 * 2;
            *reinterpret_cast<std::uint32_t*>(at) = its_shares.most;
            *reinterpret_cast<std::uint32_t*>(at + kShareNumbers) = its_shares.rest;
        }
        all = reduce_lanes<4>(all, Sum());
        if (lane % 4 == 0) warp_all[warp][its_head + half * 8] = all;
    }
    wait_for_copies<0>();
    __syncthreads();

    // Sums: of each warp every fourth 16 values.
    const std::uint32_t splits = seen.end_split<T>() - seen.first_split<T>();
    float* const parts = work.parts + (static_cast<std::size_t>(token) * shape.heads + head) *
                                          gridDim.x * part_floats(size);
    const T* const value_numbers = value_tile.rows[0].numbers;
    for (std::uint32_t at = warp * kPieceInner; at < size; at += kWarps * kPieceInner) {
        float sum[2][4] = {};
#pragma unroll
        for (std::uint32_t key = 0; key < kKeys; key += kPieceInner) {
            std::uint32_t pieces[4];
            load_turned_pieces(
                pieces, value_numbers + (key + downward.row) * stride + at + downward.column);
#pragma unroll
            for (std::uint32_t part = 0; part < 2; ++part) {
                std::uint32_t share_pieces[4];
                load_pieces(share_pieces, shares + part * kShareNumbers +
                                              downward.row * kShareStride + key + downward.column);
                multiply_pieces<T>(sum[0], share_pieces, pieces[0], pieces[1]);
                multiply_pieces<T>(sum[1], share_pieces, pieces[2], pieces[3]);
            }
        }
#pragma unroll
        for (std::uint32_t i = 0; i < 8; ++i) {
            const std::uint32_t of_head = its_head + i / 2 % 2 * 8;
            const std::uint32_t d = at + i / 4 * kPieceColumns + lane % 4 * 2 + i % 2;
            if (of_head < heads && d < size)
                parts[(of_head * gridDim.x + blockIdx.x) * part_floats(size) + 2 + d] =
                    sum[i / 4][i % 4];
        }
    }
    if (threadIdx.x < heads) {
        float* const part = parts + (threadIdx.x * gridDim.x + blockIdx.x) * part_floats(size);
        float all_most = -INFINITY;
        float all = 0;
#pragma unroll
        for (std::uint32_t w = 0; w < kWarps; ++w) {
            all_most = Maximum()(all_most, warp_most[w][threadIdx.x]);
            all += warp_all[w][threadIdx.x];
        }
        part[0] = all_most;
        part[1] = all;
    }
    if (!is_last_of(splits, &work.arrived[token * gridDim.y + blockIdx.y])) return;
    static_assert(sizeof key_tile >= kJoinFloats<kThreads> * sizeof(float));
    join_splits<kThreads>(parts, heads, gridDim.x, seen.first_split<T>(), seen.end_split<T>(), size,
                          reinterpret_cast<float*>(&key_tile),
                          attended + (static_cast<std::size_t>(token) * shape.heads + head) * size);
}

}  // namespace

template <class T>
void attend_lone(cudaStream_t stream, std::uint32_t tokens, std::uint32_t splits,
                 const StepSlab& slab, const HeadShape& shape, const RotaryTables& tables,
                 const T* qkv, T* keys, T* values, const LoneWork& work, T* attended) {
    const std::uint32_t passes = (shape.heads / shape.kv_heads + kHeadsAtOnce - 1) / kHeadsAtOnce;
    with_head_size(shape.head_size, [&](auto size_max) {
        launch(attend_split_kernel<T, size_max()>,
               {dim3(splits, shape.kv_heads * passes, tokens), kThreads}, stream, slab, shape,
               tables, qkv, keys, values, work, attended);
    });
}

#define CASC_FOR(T)                                                                        \
    template void attend_lone(cudaStream_t, std::uint32_t, std::uint32_t, const StepSlab&, \
                              const HeadShape&, const RotaryTables&, const T*, T*, T*,     \
                              const LoneWork&, T*)
CASC_FOR(Bf16);
CASC_FOR(F16);
#undef CASC_FOR

}  // namespace casc::gpu::cuda
