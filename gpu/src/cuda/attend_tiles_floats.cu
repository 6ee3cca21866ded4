#include "cuda/attention.cuh"
#include "cuda/key_tile.cuh"
#include "cuda/launch.cuh"
#include "cuda/reduce.cuh"
#include "cuda/seen.cuh"

namespace casc::gpu::cuda {
namespace {

constexpr std::uint32_t kQueries = 16;
constexpr std::uint32_t kLanes = 8;  // threads for each query
constexpr unsigned kThreads = kQueries * kLanes;
constexpr std::uint32_t kKeys = 32;  // at once
constexpr std::uint32_t kKeysOfLane = kKeys / kLanes;

// One block for each (head, 16 tokens of a tile, tile).
__global__ void __launch_bounds__(kThreads)
    attend_tiles_kernel(StepSlab slab, HeadShape shape, const float* qkv, const float* keys,
                        const float* values, float* attended) {
    constexpr std::uint32_t kPack = Pack<float>::kCount;
    constexpr std::uint32_t kPacksOfLane = kHeadSizeMax / kPack / kLanes;
    static_assert(kPacksOfLane * kPack * kLanes == kHeadSizeMax);
    __shared__ KeyTile<float, kKeys, kHeadSizeMax> key_tile;
    __shared__ KeyTile<float, kKeys, kHeadSizeMax> value_tile;
    __shared__ __align__(16) float queries[kQueries][kHeadSizeMax + 4];
    __shared__ float shares[kQueries][kKeys + 1];

    PromptTile tile = slab.tiles()[blockIdx.z];
    const std::uint32_t skipped = blockIdx.y * kQueries;
    if (skipped >= tile.count) return;
    tile.first_token += skipped;
    tile.count = tile.count - skipped < kQueries ? tile.count - skipped : kQueries;
    const TokenParameters first = slab.tokens()[tile.first_token];
    const std::uint32_t head = blockIdx.x;
    const std::uint32_t kv_head = head / (shape.heads / shape.kv_heads);
    const std::uint32_t size = shape.head_size;
    const std::uint32_t packs = size / kPack;
    const std::size_t row_numbers =
        static_cast<std::size_t>(shape.heads + 2 * shape.kv_heads) * size;
    const float scale = kLog2OfE * rsqrtf(static_cast<float>(size));
    for (std::uint32_t i = threadIdx.x; i < tile.count * size; i += kThreads)
        queries[i / size][i % size] =
            qkv[(tile.first_token + i / size) * row_numbers + head * size + i % size] * scale;

    const std::uint32_t query = threadIdx.x / kLanes;
    const std::uint32_t lane = threadIdx.x % kLanes;
    const std::uint32_t position = first.position + query;
    const Seen seen = Seen::by(position, shape);
    float most = -INFINITY;
    float all = 0;
    float sum[kPacksOfLane][kPack] = {};
    const Seen by_any = Seen::by_any(first.position, tile.count, shape);
    for (std::uint32_t at = by_any.first / kKeys * kKeys; at < by_any.end; at += kKeys) {
        const std::uint32_t count = by_any.end - at < kKeys ? by_any.end - at : kKeys;
        const std::size_t place = static_cast<std::size_t>(at) * size;
        __syncthreads();  // the last tile has been read
        key_tile.load<kThreads>(head_cache(keys, shape, first.slot, kv_head) + place, packs, 0,
                                count, packs);
        value_tile.load<kThreads>(head_cache(values, shape, first.slot, kv_head) + place, packs, 0,
                                  count, packs);
        wait_for_copies<1>();  // the keys are there
        __syncthreads();
        float scores[kKeysOfLane];
        float tile_most = -INFINITY;
#pragma unroll
        for (std::uint32_t i = 0; i < kKeysOfLane; ++i) {
            const std::uint32_t key = lane + i * kLanes;
            const bool is_seen = key < count && query < tile.count && seen.has(at + key);
            scores[i] = is_seen ? 0 : -INFINITY;
            if (!is_seen) continue;
            for (std::uint32_t pack = 0; pack < packs; ++pack)
                scores[i] =
                    dot(&queries[query][pack * kPack], key_tile.at(key, pack, packs), scores[i]);
            tile_most = Maximum()(tile_most, scores[i]);
        }
        const float new_most = Maximum()(most, reduce_lanes<kLanes>(tile_most, Maximum()));
        // Nothing seen so far: no shares, and nothing to carry over.
        const float kept = most == -INFINITY ? 0 : power_of_2(most - new_most);
        float tile_all = 0;
#pragma unroll
        for (std::uint32_t i = 0; i < kKeysOfLane; ++i) {
            const float share = scores[i] == -INFINITY ? 0 : power_of_2(scores[i] - new_most);
            shares[query][lane + i * kLanes] = share;
            tile_all += share;
        }
        all = all * kept + reduce_lanes<kLanes>(tile_all, Sum());
        most = new_most;
        wait_for_copies<0>();
        __syncthreads();  // and each query has its shares
        // No others than what the query sees: 0 times what is no number is none either.
        const std::uint32_t begin = seen.first > at ? seen.first - at : 0;
        const std::uint32_t seen_end = seen.end > at ? seen.end - at : 0;
        const std::uint32_t end = seen_end < count ? seen_end : count;
#pragma unroll
        for (std::uint32_t p = 0; p < kPacksOfLane; ++p) {
            const std::uint32_t pack = lane + p * kLanes;
            if (pack >= packs) continue;
#pragma unroll
            for (std::uint32_t k = 0; k < kPack; ++k)
                sum[p][k] *= kept;
            for (std::uint32_t key = begin; key < end; ++key) {
                const Pack<float> value = value_tile.at(key, pack, packs);
                const float share = shares[query][key];
#pragma unroll
                for (std::uint32_t k = 0; k < kPack; ++k)
                    sum[p][k] += share * value.numbers[k];
            }
        }
    }
    if (query >= tile.count) return;
    float* const out =
        attended + (static_cast<std::size_t>(tile.first_token + query) * shape.heads + head) * size;
#pragma unroll
    for (std::uint32_t p = 0; p < kPacksOfLane; ++p) {
        const std::uint32_t pack = lane + p * kLanes;
        if (pack >= packs) continue;
#pragma unroll
        for (std::uint32_t k = 0; k < kPack; ++k)
            out[pack * kPack + k] = sum[p][k] / all;
    }
}

}  // namespace

template <>
void attend_tiles(cudaStream_t stream, std::uint32_t tiles, const StepSlab& slab,
                  const HeadShape& shape, const float* qkv, const float* keys, const float* values,
                  float* attended) {
    launch(attend_tiles_kernel,
           {dim3(shape.heads, PromptTile::kTokensMax / kQueries, tiles), kThreads}, stream, slab,
           shape, qkv, keys, values, attended);
}

}  // namespace casc::gpu::cuda
