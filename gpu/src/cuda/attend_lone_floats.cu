#include "cuda/attention.cuh"
#include "cuda/join_splits.cuh"
#include "cuda/key_tile.cuh"
#include "cuda/launch.cuh"
#include "cuda/lone_token.cuh"
#include "cuda/reduce.cuh"
#include "cuda/seen.cuh"

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kThreads = 128;
constexpr std::uint32_t kTokens = kSplitTokens<float>;
constexpr std::uint32_t kLanes = kThreads / kTokens;  // that share the work of one key
constexpr std::uint32_t kPack = Pack<float>::kCount;
constexpr std::uint32_t kRows = kThreads / (kHeadSizeMax / kPack);  // of values at once

// One block for each (split, head of keys, token). Splits begin at the sequence's beginning and
// not where the window does.
__global__ void __launch_bounds__(kThreads)
    attend_split_kernel(StepSlab slab, HeadShape shape, RotaryTables tables, const float* qkv,
                        float* keys, float* values, LoneWork work, float* attended) {
    const std::uint32_t token = blockIdx.z;
    if (token >= slab.counts()->lone_tokens) return;
    const TokenParameters is = slab.tokens()[token];
    const Seen seen = Seen::by(is.position, shape);
    const SeenOfSplit split = seen.of_split<float>(blockIdx.x);
    if (split.end == 0) return;

    __shared__ KeyTile<float, kTokens, kHeadSizeMax> key_tile;
    __shared__ KeyTile<float, kTokens, kHeadSizeMax> value_tile;
    __shared__ __align__(16) float query[kHeadSizeMax];
    __shared__ float shares[kTokens];
    __shared__ float sums[kRows][kHeadSizeMax];
    const std::uint32_t size = shape.head_size;
    const std::uint32_t packs = size / kPack;
    const std::size_t place = static_cast<std::size_t>(blockIdx.x * kTokens) * size;
    float* const its_keys = head_cache(keys, shape, is.slot, blockIdx.y) + place;
    float* const its_values = head_cache(values, shape, is.slot, blockIdx.y) + place;
    const std::uint32_t cached_end = split.cached_end();
    key_tile.load<kThreads>(its_keys, packs, split.first, cached_end, packs);
    value_tile.load<kThreads>(its_values, packs, split.first, cached_end, packs);

    const std::uint32_t group = shape.heads / shape.kv_heads;
    const float* const row =
        qkv + static_cast<std::size_t>(token) * (shape.heads + 2 * shape.kv_heads) * size;
    const Rotary rotary = Rotary::of(tables, token, is, shape.context_tokens, size);
    if (split.has_itself) {
        const float* const key = row + (shape.heads + blockIdx.y) * size;
        place_itself(rotary, key, key + shape.kv_heads * size, cached_end, key_tile, value_tile,
                     /*keeps=*/true, its_keys + cached_end * size, its_values + cached_end * size);
    }
    const float scale = kLog2OfE * rsqrtf(static_cast<float>(size));
    const std::uint32_t key = threadIdx.x / kLanes;
    const std::uint32_t lane = threadIdx.x % kLanes;
    const std::size_t first_head =
        static_cast<std::size_t>(token) * shape.heads + blockIdx.y * group;
    float* const parts = work.parts + first_head * gridDim.x * part_floats(size);
    for (std::uint32_t i = 0; i < group; ++i) {
        const std::uint32_t head = blockIdx.y * group + i;
        for (std::uint32_t d = 2 * threadIdx.x; d < size; d += 2 * kThreads) {
            const TwoFloats two = rotary.turned(row + head * size, d);
            query[d] = two.first * scale;
            query[d + 1] = two.second * scale;
        }
        wait_for_copies<1>();  // the keys are there
        __syncthreads();
        float score = 0;
        if (key < split.end)
            for (std::uint32_t pack = lane; pack < packs; pack += kLanes)
                score = dot(query + pack * kPack, key_tile.at(key, pack, packs), score);
        score = reduce_lanes<kLanes>(score, Sum());
        const bool is_seen = key >= split.first && key < split.end;
        const float most = reduce_block<kThreads>(is_seen ? score : -INFINITY, Maximum());
        const float share = is_seen ? power_of_2(score - most) : 0;
        const float all = reduce_block<kThreads>(lane == 0 ? share : 0, Sum());
        if (lane == 0) shares[key] = share;
        wait_for_copies<0>();
        __syncthreads();
        // Threads beyond the last pack have nothing to do.
        const std::uint32_t pack = threadIdx.x % (kHeadSizeMax / kPack);
        const std::uint32_t first_row = threadIdx.x / (kHeadSizeMax / kPack);
        if (pack < packs && first_row < kRows) {
            float sum[kPack] = {};
            for (std::uint32_t at = first_row; at < split.end; at += kRows) {
                if (at < split.first) continue;  // 0 times what is no number is none either
                const Pack<float> value = value_tile.at(at, pack, packs);
                const float weight = shares[at];
#pragma unroll
                for (std::uint32_t k = 0; k < kPack; ++k)
                    sum[k] += weight * value.numbers[k];
            }
#pragma unroll
            for (std::uint32_t k = 0; k < kPack; ++k)
                sums[first_row][pack * kPack + k] = sum[k];
        }
        __syncthreads();
        float* const part = parts + (i * gridDim.x + blockIdx.x) * part_floats(size);
        for (std::uint32_t d = threadIdx.x; d < size; d += kThreads) {
            float sum = sums[0][d];
#pragma unroll
            for (std::uint32_t r = 1; r < kRows; ++r)
                sum += sums[r][d];
            part[2 + d] = sum;
        }
        if (threadIdx.x == 0) {
            part[0] = most;
            part[1] = all;
        }
        __syncthreads();  // before the next head's query and shares
    }
    const std::uint32_t splits = seen.end_split<float>() - seen.first_split<float>();
    if (!is_last_of(splits, &work.arrived[token * gridDim.y + blockIdx.y])) return;
    static_assert(sizeof key_tile >= kJoinFloats<kThreads> * sizeof(float));
    join_splits<kThreads>(parts, group, gridDim.x, seen.first_split<float>(),
                          seen.end_split<float>(), size, reinterpret_cast<float*>(&key_tile),
                          attended + first_head * size);
}

}  // namespace

template <>
void attend_lone(cudaStream_t stream, std::uint32_t tokens, std::uint32_t splits,
                 const StepSlab& slab, const HeadShape& shape, const RotaryTables& tables,
                 const float* qkv, float* keys, float* values, const LoneWork& work,
                 float* attended) {
    launch(attend_split_kernel, {dim3(splits, shape.kv_heads, tokens), kThreads}, stream, slab,
           shape, tables, qkv, keys, values, work, attended);
}

}  // namespace casc::gpu::cuda
