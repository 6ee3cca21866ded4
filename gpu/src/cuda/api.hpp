#pragma once
// cuda/api.hpp: CUDA's handles with owners, and its errors as ours.

#include <casc/types/assert.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace casc::gpu::cuda {

// Fails with: device_failed; `doing` is what could not be done. An error of the device itself
// stays, others are over with that: the next look at the launches does not find them.
[[nodiscard]] inline Result<void> check(cudaError_t error, const char* doing) {
    if (error == cudaSuccess) return {};
    static_cast<void>(cudaGetLastError());
    return Error(ErrorCode::device_failed, std::string("CUDA cannot ") + doing + ": " +
                                               cudaGetErrorName(error) + ", " +
                                               cudaGetErrorString(error));
}
// Of the kernels that were launched since the last look: those that could not be.
[[nodiscard]] inline Result<void> check_launches() {
    return check(cudaGetLastError(), "launch a kernel");
}

// A handle that is destroyed with its owner. What destroying says nobody can act on.
template <class Handle, cudaError_t (*destroy)(Handle)>
class Owned {
public:
    Owned() = default;
    explicit Owned(Handle handle) : handle_(handle) {}
    ~Owned() {
        if (handle_ != nullptr) static_cast<void>(destroy(handle_));
    }
    Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owned& operator=(Owned&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    [[nodiscard]] Handle get() const noexcept { return handle_; }
    // Where a function of CUDA puts it; of one that owns nothing yet.
    [[nodiscard]] Handle* put() noexcept { return &handle_; }

private:
    Handle handle_ = nullptr;
};

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Graph = Owned<cudaGraph_t, cudaGraphDestroy>;
using ReadyGraph = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;

[[nodiscard]] inline Result<Stream> make_stream() {
    Stream stream;
    CASC_TRY_VOID(
        check(cudaStreamCreateWithFlags(stream.put(), cudaStreamNonBlocking), "make a stream"));
    return Result<Stream>(std::move(stream));
}
// That a thread sleeps for, and does not ask for again and again: on small machines others need
// the processor.
[[nodiscard]] inline Result<Event> make_event() {
    Event event;
    CASC_TRY_VOID(
        check(cudaEventCreateWithFlags(event.put(), cudaEventDisableTiming | cudaEventBlockingSync),
              "make an event"));
    return Result<Event>(std::move(event));
}
[[nodiscard]] inline Result<Event> make_timer() {
    Event event;
    CASC_TRY_VOID(
        check(cudaEventCreateWithFlags(event.put(), cudaEventBlockingSync), "make an event"));
    return Result<Event>(std::move(event));
}

// Memory in one piece that is asked for once, and handed out in parts that begin where the widest
// accesses and cuBLASLt want them to.
template <cudaError_t (*release)(void*)>
class Memory {
public:
    static constexpr std::size_t kAlignment = 256;

    Memory() = default;
    Memory(void* begin, std::size_t bytes)
        : memory_(begin), left_(static_cast<std::byte*>(begin), bytes) {}

    // Bytes that a part of so many numbers takes up.
    template <class T>
    [[nodiscard]] static constexpr std::size_t bytes_of(std::size_t count) noexcept {
        return (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    }
    // The next part. There must be so much left.
    template <class T>
    [[nodiscard]] T* take(std::size_t count) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        CASC_ASSERT(bytes_of<T>(count) <= left_.size(), count, left_.size());
        auto* const taken = reinterpret_cast<T*>(left_.data());
        left_ = left_.subspan(bytes_of<T>(count));
        return taken;
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }

private:
    Owned<void*, release> memory_;
    std::span<std::byte> left_;
};

using DeviceMemory = Memory<cudaFree>;
using PinnedMemory = Memory<cudaFreeHost>;

// Fails with: model_too_large.
[[nodiscard]] inline Result<DeviceMemory> make_device_memory(std::size_t bytes) {
    void* begin = nullptr;
    if (const auto error = cudaMalloc(&begin, bytes); error != cudaSuccess) {
        static_cast<void>(cudaGetLastError());  // the device itself is well
        return Error(ErrorCode::model_too_large,
                     "the device has no " + std::to_string(bytes >> 20) +
                         " MiB in one piece: " + cudaGetErrorString(error));
    }
    return DeviceMemory(begin, bytes);
}
[[nodiscard]] inline Result<PinnedMemory> make_pinned_memory(std::size_t bytes) {
    void* begin = nullptr;
    CASC_TRY_VOID(check(cudaHostAlloc(&begin, bytes, cudaHostAllocDefault),
                        "allocate memory that the device can read"));
    return PinnedMemory(begin, bytes);
}

}  // namespace casc::gpu::cuda
