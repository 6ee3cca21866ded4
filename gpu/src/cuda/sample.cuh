#pragma once
// cuda/sample.cuh: which token comes next, drawn on the device so that only it comes back. The same
// one that sample() of sampling.hpp draws from the same logits, in the same way: by ranks and whole
// weights, whose sums do not depend on the order of adding.

#include "cuda/step_slab.hpp"

#include <cstdint>
#include <cuda_runtime.h>

namespace casc::gpu::cuda {

// logits: [rows, vocabulary]. A block for each row reads them once for the most likely token, and
// for each further thing that is asked for: top_k 8 times, top_p 8 times, drawing twice.
void sample_rows(cudaStream_t stream, std::uint32_t rows, const StepSlab& slab, const float* logits,
                 std::uint32_t vocabulary, SampledToken* tokens);

}  // namespace casc::gpu::cuda
