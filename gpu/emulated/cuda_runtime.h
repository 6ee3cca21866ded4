#pragma once
// emulated/cuda_runtime.h: as much of CUDA's runtime as the CUDA backend uses, on a processor. It
// stands in for the toolkit's header of that name, so that the very sources of the backend, kernels
// included, are tested on machines without a GPU: what they compute, and what they do when a call
// fails or memory is short. It says nothing about how fast they are, nor about the real toolkit's
// libraries, and runs the threads of a block in turns, so that races within a block show only by
// where they switch.
//
// A stream does nothing until somebody waits for it: what a backend takes for done without having
// waited is not done yet, and memory that is used again too early has the later contents.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>

// ---- what kernels see ---------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __restrict__ __restrict
// Blocks run one after the other, on one thread of the system.
#define __shared__ static thread_local

struct dim3 {
    unsigned x = 1;
    unsigned y = 1;
    unsigned z = 1;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace emulated_cuda {

struct Place {
    dim3 thread;
    dim3 block;
    dim3 block_size;
    dim3 grid_size;
};
extern thread_local Place place;

// Waits until all threads of the block, or all of the warp, have come here.
void wait_for_block();
void wait_for_warp();
// What the lane has said to its warp, once all have.
std::uint64_t exchange(std::uint64_t said, unsigned lane);
// What a warp does as one: the last of its 32 threads to come does it for all, with what each has
// brought, and none goes on before.
using WarpWork = void(void* const (&brought)[32]);
void do_as_warp(void* brought, WarpWork* work);
// Copies of a thread that it goes on without; until it has waited for them their place has no
// numbers.
void begin_copy(void* to, const void* from);
void end_copies();
void wait_for_copies(unsigned pending_groups);

// Ready to run: the kernel with its arguments, for every thread of every block.
void run_blocks(dim3 blocks, dim3 threads, const std::function<void()>& kernel);

}  // namespace emulated_cuda

#define threadIdx (emulated_cuda::place.thread)
#define blockIdx (emulated_cuda::place.block)
#define blockDim (emulated_cuda::place.block_size)
#define gridDim (emulated_cuda::place.grid_size)

inline void __syncthreads() {
    emulated_cuda::wait_for_block();
}
// What other blocks are to see is there as soon as it is written.
inline void __threadfence() {}
inline void __syncwarp(unsigned = ~0u) {
    emulated_cuda::wait_for_warp();
}
template <class T>
T __shfl_sync(unsigned, T value, int lane) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    std::uint64_t said = 0;
    std::memcpy(&said, &value, sizeof value);
    const std::uint64_t heard = emulated_cuda::exchange(said, static_cast<unsigned>(lane));
    std::memcpy(&value, &heard, sizeof value);
    return value;
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
    return __shfl_sync(mask, value, static_cast<int>(threadIdx.x % 32) ^ lanes);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
    const unsigned lane = threadIdx.x % 32;
    return __shfl_sync(mask, value, static_cast<int>(lane >= lanes ? lane - lanes : lane));
}
// Threads of a block take turns: nobody comes in between.
template <class T, class U>
T atomicAdd(T* at, U more) {
    const T before = *at;
    *at = static_cast<T>(before + more);
    return before;
}
template <class T, class U>
T atomicOr(T* at, U bits) {
    const T before = *at;
    *at = static_cast<T>(before | bits);
    return before;
}
inline float __uint_as_float(std::uint32_t bits) {
    float number;
    std::memcpy(&number, &bits, sizeof number);
    return number;
}
inline std::uint32_t __float_as_uint(float number) {
    std::uint32_t bits;
    std::memcpy(&bits, &number, sizeof bits);
    return bits;
}
inline double __dmul_rn(double a, double b) {
    return a * b;
}
inline double __dadd_rn(double a, double b) {
    return a + b;
}
inline float rsqrtf(float number) {
    return 1 / std::sqrt(number);
}
inline float __expf(float number) {
    return std::exp(number);
}

namespace casc::gpu::cuda {

// instructions.cuh says what they are.
float half_bits_to_float(unsigned short bits);
unsigned short float_to_half_bits(float number);
unsigned short float_to_bf16_bits(float number);
std::uint32_t two_f16_bits(float lower, float upper);
std::uint32_t two_bf16_bits(float lower, float upper);
inline float power_of_2(float exponent) {
    return std::exp2(exponent);
}

inline void copy_16_bytes(void* to, const void* from) {
    emulated_cuda::begin_copy(to, from);
}
inline void end_copy_group() {
    emulated_cuda::end_copies();
}
template <int kPending>
void wait_for_copies() {
    emulated_cuda::wait_for_copies(kPending);
}

void load_pieces(std::uint32_t (&pieces)[4], const void* row);
void load_turned_pieces(std::uint32_t (&pieces)[4], const void* row);
void multiply_bf16_pieces(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b_upper,
                          std::uint32_t b_lower);
void multiply_f16_pieces(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b_upper,
                         std::uint32_t b_lower);

}  // namespace casc::gpu::cuda

// ---- what the host sees -------------------------------------------------------------------------

enum cudaError_t : int {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorNoDevice = 100,
    cudaErrorIllegalAddress = 700
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16 };

namespace emulated_cuda {

struct Stream;
struct Event;
struct Graph;

// For every thread of every block, when the stream gets to it.
void enqueue(Stream* stream, std::function<void()> work);

template <class... Parameters>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, Stream* stream,
            Parameters... arguments) {
    const std::function<void()> call = [kernel, kept = std::tuple(arguments...)] {
        std::apply(kernel, kept);
    };
    enqueue(stream, [=] { run_blocks(blocks, threads, call); });
}

}  // namespace emulated_cuda

using cudaStream_t = emulated_cuda::Stream*;
using cudaEvent_t = emulated_cuda::Event*;
using cudaGraph_t = emulated_cuda::Graph*;
using cudaGraphExec_t = emulated_cuda::Graph*;

struct cudaDeviceProp {
    char name[256] = "emulated";
    int multiProcessorCount = 2;
    std::size_t totalGlobalMem = 0;
    int major = 9;
    int minor = 0;
};

inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDisableTiming = 2;
inline constexpr unsigned cudaEventBlockingSync = 1;
inline constexpr unsigned cudaHostAllocDefault = 0;

const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes);
cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* at, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);
