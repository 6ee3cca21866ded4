#pragma once
// cuda/cublas_lt.hpp: cuBLASLt, loaded when the first model needs it. It has half a gigabyte, which
// a broker that computes nothing on a GPU does not open.

#include <casc/types/result.hpp>

#include <cublasLt.h>

namespace casc::gpu::cuda {

struct CublasLt {
    decltype(&cublasLtCreate) create = nullptr;
    decltype(&cublasLtDestroy) destroy = nullptr;
    decltype(&cublasLtGetStatusString) status_text = nullptr;
    decltype(&cublasLtMatmulDescCreate) make_operation = nullptr;
    decltype(&cublasLtMatmulDescDestroy) destroy_operation = nullptr;
    decltype(&cublasLtMatmulDescSetAttribute) set_operation = nullptr;
    decltype(&cublasLtMatrixLayoutCreate) make_layout = nullptr;
    decltype(&cublasLtMatrixLayoutDestroy) destroy_layout = nullptr;
    decltype(&cublasLtMatmulPreferenceCreate) make_preference = nullptr;
    decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference = nullptr;
    decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
    decltype(&cublasLtMatmulAlgoGetHeuristic) propose = nullptr;
    decltype(&cublasLtMatmul) multiply = nullptr;
};

// Stays loaded. Thread: any. Fails with: device_failed.
[[nodiscard]] Result<const CublasLt*> load_cublas_lt();

}  // namespace casc::gpu::cuda
