#include "cuda/attention.cuh"
#include "cuda/key_tile.cuh"
#include "cuda/reduce.cuh"

namespace casc::gpu::cuda {
namespace {

constexpr unsigned kThreads = 128;

struct Seen {
    std::uint32_t first = 0;
    std::uint32_t end = 0;
};
__device__ Seen seen_by(std::uint32_t position, const HeadShape& shape) {
    const std::uint32_t end = position + 1;
    const bool is_cut = shape.window_tokens != 0 && end > shape.window_tokens;
    return {is_cut ? end - shape.window_tokens : 0, end};
}

// One block for each (split, head of keys, token). Splits begin at the sequence's beginning and
// not where the window does.
template <class T, std::uint32_t kSizeMax>
__global__ void __launch_bounds__(kThreads)
    attend_split_kernel(StepSlab slab, HeadShape shape, const T* qkv, const T* keys,
                        const T* values, float* parts) {
    constexpr std::uint32_t kTokens = kSplitTokens<T>;
    constexpr std::uint32_t kLanes = kThreads / kTokens;  // that share the work of one key
    constexpr std::uint32_t kPack = Pack<T>::kCount;
    constexpr std::uint32_t kRows = kThreads / (kSizeMax / kPack);  // of values at once
    const std::uint32_t token = blockIdx.z;
    if (token >= slab.counts()->lone_tokens) return;
    const TokenParameters is = slab.tokens()[token];
    const Seen seen = seen_by(is.position, shape);
    const std::uint32_t begin = blockIdx.x * kTokens;
    if (begin >= seen.end || begin + kTokens <= seen.first) return;
    const std::uint32_t count = seen.end - begin < kTokens ? seen.end - begin : kTokens;
    const std::uint32_t hidden_before = seen.first > begin ? seen.first - begin : 0;

    __shared__ KeyTile<T, kTokens, kSizeMax> key_tile;
    __shared__ KeyTile<T, kTokens, kSizeMax> value_tile;
    __shared__ __align__(16) float query[kSizeMax];
    __shared__ float shares[kTokens];
    __shared__ float sums[kRows][kSizeMax];
    const std::uint32_t size = shape.head_size;
    const std::uint32_t packs = size / kPack;
    const std::size_t place = static_cast<std::size_t>(begin) * size;
    key_tile.template load<kThreads>(head_cache(keys, shape, is.slot, blockIdx.y) + place, count,
                                     packs);
    value_tile.template load<kThreads>(head_cache(values, shape, is.slot, blockIdx.y) + place,
                                       count, packs);

    const std::uint32_t group = shape.heads / shape.kv_heads;
    const T* const row =
        qkv + static_cast<std::size_t>(token) * (shape.heads + 2 * shape.kv_heads) * size;
    const float scale = rsqrtf(static_cast<float>(size));
    const std::uint32_t key = threadIdx.x / kLanes;
    const std::uint32_t lane = threadIdx.x % kLanes;
    for (std::uint32_t i = 0; i < group; ++i) {
        const std::uint32_t head = blockIdx.y * group + i;
        for (std::uint32_t d = threadIdx.x; d < size; d += kThreads)
            query[d] = to_float(row[head * size + d]) * scale;
        wait_for_copies<1>();  // the keys are there
        __syncthreads();
        float score = 0;
        if (key < count)
            for (std::uint32_t pack = lane; pack < packs; pack += kLanes)
                score = dot(query + pack * kPack, key_tile.at(key, pack, packs), score);
        score = reduce_lanes<kLanes>(score, Sum());
        const bool is_seen = key >= hidden_before && key < count;
        const float most = reduce_block<kThreads>(is_seen ? score : -INFINITY, Maximum());
        const float share = is_seen ? __expf(score - most) : 0;
        const float all = reduce_block<kThreads>(lane == 0 ? share : 0, Sum());
        if (lane == 0) shares[key] = share;
        wait_for_copies<0>();
        __syncthreads();
        // Threads beyond the last pack have nothing to do.
        const std::uint32_t pack = threadIdx.x % (kSizeMax / kPack);
        const std::uint32_t first_row = threadIdx.x / (kSizeMax / kPack);
        if (pack < packs && first_row < kRows) {
            float sum[kPack] = {};
            for (std::uint32_t at = first_row; at < count; at += kRows) {
                if (at < hidden_before) continue;  // 0 times what is no number is none either
                const Pack<T> value = value_tile.at(at, pack, packs);
                const float weight = shares[at];
#pragma unroll
                for (std::uint32_t k = 0; k < kPack; ++k)
                    sum[k] += weight * to_float(value.numbers[k]);
            }
#pragma unroll
            for (std::uint32_t k = 0; k < kPack; ++k)
                sums[first_row][pack * kPack + k] = sum[k];
        }
        __syncthreads();
        float* const part =
            parts +
            ((static_cast<std::size_t>(token) * shape.heads + head) * gridDim.x + blockIdx.x) *
                part_floats(size);
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
}

// One block for each (head, token).
template <class T>
__global__ void __launch_bounds__(kThreads)
    join_splits_kernel(StepSlab slab, HeadShape shape, std::uint32_t splits_max, const float* parts,
                       T* attended) {
    const std::uint32_t token = blockIdx.y;
    if (token >= slab.counts()->lone_tokens) return;
    const Seen seen = seen_by(slab.tokens()[token].position, shape);
    const std::uint32_t first = seen.first / kSplitTokens<T>;
    const std::uint32_t end = splits_of<T>(seen.end);
    const std::uint32_t size = shape.head_size;
    const std::size_t floats = part_floats(size);
    const std::size_t item = static_cast<std::size_t>(token) * shape.heads + blockIdx.x;
    const float* const mine = parts + item * splits_max * floats;
    float most = -INFINITY;
    for (std::uint32_t split = first + threadIdx.x; split < end; split += kThreads)
        most = Maximum()(most, mine[split * floats]);
    most = reduce_block<kThreads>(most, Maximum());
    float all = 0;
    for (std::uint32_t split = first + threadIdx.x; split < end; split += kThreads)
        all += mine[split * floats + 1] * __expf(mine[split * floats] - most);
    all = reduce_block<kThreads>(all, Sum());
    for (std::uint32_t d = threadIdx.x; d < size; d += kThreads) {
        float sum = 0;
        for (std::uint32_t split = first; split < end; ++split)
            sum += mine[split * floats + 2 + d] * __expf(mine[split * floats] - most);
        attended[item * size + d] = from_float<T>(sum / all);
    }
}

}  // namespace

template <class T>
void attend_lone(cudaStream_t stream, std::uint32_t tokens, std::uint32_t splits,
                 const StepSlab& slab, const HeadShape& shape, const T* qkv, const T* keys,
                 const T* values, float* parts, T* attended) {
    const auto kernel = shape.head_size <= 64   ? attend_split_kernel<T, 64>
                        : shape.head_size <= 96 ? attend_split_kernel<T, 96>
                                                : attend_split_kernel<T, kHeadSizeMax>;
    launch(kernel, {dim3(splits, shape.kv_heads, tokens), kThreads}, stream, slab, shape, qkv, keys,
           values, parts);
    launch(join_splits_kernel<T>, {dim3(shape.heads, tokens), kThreads}, stream, slab, shape,
           splits, parts, attended);
}

#define CASC_FOR(T)                                                                        \
    template void attend_lone(cudaStream_t, std::uint32_t, std::uint32_t, const StepSlab&, \
                              const HeadShape&, const T*, const T*, const T*, float*, T*)
CASC_FOR(float);
CASC_FOR(Bf16);
CASC_FOR(F16);
#undef CASC_FOR

}  // namespace casc::gpu::cuda
