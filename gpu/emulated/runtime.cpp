// Streams, memory, events and graphs of the emulated device.
#include "state.hpp"

#include <cstdlib>
#include <memory>
#include <utility>

namespace emulated_cuda {

Device& device() {
    thread_local Device it;
    return it;
}

Counts counts() {
    return device().counts;
}

void reset(std::size_t bytes) {
    Device& it = device();
    it.memory_bytes = bytes;
    it.device_count = 1;
    it.major = 9;
    it.minor = 0;
    it.last_error = cudaSuccess;
    stop_failing();
}

void stop_failing() {
    device().fails_at = 0;
    device().fails_for_good = false;
}

void set_capability(int major, int minor) {
    device().major = major;
    device().minor = minor;
}

void set_device_count(int count) {
    device().device_count = count;
}

void fail_after(std::uint64_t calls, cudaError_t error, bool for_good) {
    Device& it = device();
    it.fails_at = it.counts.calls + calls + 1;
    it.failure = error;
    it.fails_for_good = for_good;
}

cudaError_t Device::call() {
    ++counts.calls;
    const bool fails =
        fails_at != 0 && (fails_for_good ? counts.calls >= fails_at : counts.calls == fails_at);
    if (!fails) return cudaSuccess;
    last_error = failure;
    return failure;
}

void Stream::run_until(std::uint64_t wanted) {
    while (done < wanted && !waiting.empty()) {
        const Work work = std::move(waiting.front());
        waiting.pop_front();
        ++done;
        work();
    }
}

void enqueue(Stream* stream, Work work) {
    // As with the real one, a launch that fails is found out by who asks for the last error.
    if (device().call() != cudaSuccess) return;
    if (stream->capture) {
        stream->capture->work.push_back(std::move(work));
        return;
    }
    stream->waiting.push_back(std::move(work));
    ++stream->enqueued;
}

namespace {

cudaError_t put(Stream* stream, Work work) {
    const auto before = device().last_error;
    device().last_error = cudaSuccess;
    enqueue(stream, std::move(work));
    const auto error = device().last_error;
    if (error == cudaSuccess) device().last_error = before;
    return error;
}

template <class T>
cudaError_t make(T** made) {
    const auto error = device().call();
    if (error != cudaSuccess) return error;
    *made = new T;
    ++device().counts.handles;
    return cudaSuccess;
}

// What a destroyed handle says nobody looks at; it is gone in any case.
template <class T>
cudaError_t destroy(T* handle) {
    if (handle == nullptr) return cudaErrorInvalidValue;
    delete handle;
    --device().counts.handles;
    return cudaSuccess;
}

}  // namespace
}  // namespace emulated_cuda

using namespace emulated_cuda;

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "no error";
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorNoDevice:
            return "no CUDA-capable device is detected";
        case cudaErrorIllegalAddress:
            return "an illegal memory access was encountered";
    }
    return "unknown";
}
const char* cudaGetErrorName(cudaError_t error) {
    return cudaGetErrorString(error);
}
cudaError_t cudaGetLastError() {
    return std::exchange(device().last_error, device().fails_for_good && device().fails_at != 0 &&
                                                      device().counts.calls >= device().fails_at
                                                  ? device().failure
                                                  : cudaSuccess);
}
cudaError_t cudaGetDeviceCount(int* count) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    *count = device().device_count;
    return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
}
cudaError_t cudaSetDevice(int number) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    return number >= 0 && number < device().device_count ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    *properties = {};
    properties->totalGlobalMem = device().memory_bytes;
    properties->major = device().major;
    properties->minor = device().minor;
    return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    *all_bytes = device().memory_bytes;
    *free_bytes = *all_bytes - std::min(*all_bytes, device().counts.device_bytes);
    return cudaSuccess;
}
// What nobody has written is no number.
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
    Device& it = device();
    if (const auto error = it.call(); error != cudaSuccess) return error;
    if (it.counts.device_bytes + bytes > it.memory_bytes)
        return it.last_error = cudaErrorMemoryAllocation;
    *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (*memory == nullptr) return it.last_error = cudaErrorMemoryAllocation;
    std::memset(*memory, 0xFF, bytes);
    it.device_blocks[*memory] = bytes;
    it.counts.device_bytes += bytes;
    ++it.counts.allocations;
    return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
    if (memory == nullptr) return cudaSuccess;
    Device& it = device();
    const auto found = it.device_blocks.find(memory);
    if (found == it.device_blocks.end()) std::abort();
    it.counts.device_bytes -= found->second;
    --it.counts.allocations;
    it.device_blocks.erase(found);
    std::free(memory);
    return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    *memory = std::malloc(bytes);
    if (*memory == nullptr) return cudaErrorMemoryAllocation;
    std::memset(*memory, 0xFF, bytes);
    ++device().counts.allocations;
    return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
    if (memory != nullptr) --device().counts.allocations;
    std::free(memory);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
    return put(stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* at, int value, std::size_t bytes, cudaStream_t stream) {
    return put(stream, [=] { std::memset(at, value, bytes); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
    return make(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    stream->run_until(stream->enqueued);
    return destroy(stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    stream->run_until(stream->enqueued);
    return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
    return put(stream, [other = event->stream, until = event->position] {
        if (other != nullptr) other->run_until(until);
    });
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    return make(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    return destroy(event);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    *event = {stream, stream->enqueued, stream->spent};
    return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    if (event->stream != nullptr) event->stream->run_until(event->position);
    return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
    *milliseconds = static_cast<float>(to->spent - from->spent);
    return device().call();
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    if (stream->capture) return cudaErrorInvalidValue;
    stream->capture.emplace();
    ++device().counts.captures;
    return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    const auto error = device().call();
    if (!stream->capture) return cudaErrorInvalidValue;
    if (error == cudaSuccess) {
        *graph = new Graph(std::move(*stream->capture));
        ++device().counts.handles;
    }
    stream->capture.reset();
    return error;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* ready, cudaGraph_t graph, unsigned long long) {
    if (const auto error = device().call(); error != cudaSuccess) return error;
    *ready = new Graph(*graph);
    ++device().counts.handles;
    return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
    ++device().counts.graphs;
    return put(stream, [work = graph->work] {
        for (const Work& each : work)
            each();
    });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    return destroy(graph);
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
    return destroy(graph);
}
