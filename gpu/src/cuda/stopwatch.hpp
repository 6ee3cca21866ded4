#pragma once
// cuda/stopwatch.hpp: how long the device takes for what is put on a stream.

#include "cuda/api.hpp"

#include <casc/types/result.hpp>

#include <cuda_runtime.h>
#include <utility>

namespace casc::gpu::cuda {

// Thread: one at a time.
class Stopwatch {
public:
    [[nodiscard]] static Result<Stopwatch> make() {
        Stopwatch made;
        CASC_TRY(made.began_, make_timer());
        CASC_TRY(made.ended_, make_timer());
        return Result<Stopwatch>(std::move(made));
    }
    // Milliseconds of what `work` puts on the stream, which is waited for.
    template <class Work>
    [[nodiscard]] Result<float> time(cudaStream_t stream, Work&& work) const {
        CASC_TRY_VOID(check(cudaEventRecord(began_.get(), stream), "take the time"));
        CASC_TRY_VOID(work());
        CASC_TRY_VOID(check(cudaEventRecord(ended_.get(), stream), "take the time"));
        CASC_TRY_VOID(check(cudaEventSynchronize(ended_.get()), "wait for the device"));
        float milliseconds = 0;
        CASC_TRY_VOID(check(cudaEventElapsedTime(&milliseconds, began_.get(), ended_.get()),
                            "take the time"));
        return milliseconds;
    }

private:
    Event began_;
    Event ended_;
};

}  // namespace casc::gpu::cuda
