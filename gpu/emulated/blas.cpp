// Products of matrices, one number after the other.
#include "cuda/cublas_lt.hpp"
#include "cuda/numbers.cuh"
#include "state.hpp"

#include <cublasLt.h>

using namespace emulated_cuda;

namespace {

namespace cuda = casc::gpu::cuda;

float number_at(const void* matrix, const BlasLayout& layout, std::uint64_t row,
                std::uint64_t column) {
    const std::uint64_t i = column * static_cast<std::uint64_t>(layout.stride) + row;
    switch (layout.type) {
        case CUDA_R_16F:
            return cuda::to_float(static_cast<const cuda::F16*>(matrix)[i]);
        case CUDA_R_16BF:
            return cuda::to_float(static_cast<const cuda::Bf16*>(matrix)[i]);
        case CUDA_R_8F_E4M3:
            return to_float(static_cast<const casc::gpu::E4m3*>(matrix)[i]);
        case CUDA_R_32F:
            break;
    }
    return static_cast<const float*>(matrix)[i];
}

void put_at(void* matrix, const BlasLayout& layout, std::uint64_t row, std::uint64_t column,
            float number) {
    const std::uint64_t i = column * static_cast<std::uint64_t>(layout.stride) + row;
    switch (layout.type) {
        case CUDA_R_16F:
            static_cast<cuda::F16*>(matrix)[i] = cuda::from_float<cuda::F16>(number);
            return;
        case CUDA_R_16BF:
            static_cast<cuda::Bf16*>(matrix)[i] = cuda::from_float<cuda::Bf16>(number);
            return;
        case CUDA_R_32F:
            static_cast<float*>(matrix)[i] = number;
            return;
        case CUDA_R_8F_E4M3:  // refused when it was asked for a way
            return;
    }
}

// [m, n] = a transposed, [k, m], times b, [k, n]; as ours all are.
void multiply(const void* a, const BlasLayout& a_layout, const void* b, const BlasLayout& b_layout,
              void* d, const BlasLayout& d_layout, float alpha, float beta) {
    std::vector<float> row(a_layout.rows);
    for (std::uint64_t i = 0; i < d_layout.rows; ++i) {
        for (std::uint64_t k = 0; k < row.size(); ++k)
            row[k] = number_at(a, a_layout, k, i);
        for (std::uint64_t j = 0; j < d_layout.columns; ++j) {
            float sum = 0;
            for (std::uint64_t k = 0; k < row.size(); ++k)
                sum += row[k] * number_at(b, b_layout, k, j);
            const float before = beta == 0 ? 0 : beta * number_at(d, d_layout, i, j);
            put_at(d, d_layout, i, j, alpha * sum + before);
        }
    }
}

constexpr std::uint64_t kSlow = 3;
constexpr std::uint64_t kFast = 2;

cublasStatus_t call() {
    return device().call() == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

template <class T>
cublasStatus_t make(T** made, T value = {}) {
    if (const auto status = call(); status != CUBLAS_STATUS_SUCCESS) return status;
    *made = new T(value);
    ++device().counts.handles;
    return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t destroy(T* handle) {
    delete handle;
    --device().counts.handles;
    return CUBLAS_STATUS_SUCCESS;
}

}  // namespace

const char* cublasLtGetStatusString(cublasStatus_t status) {
    return status == CUBLAS_STATUS_SUCCESS         ? "CUBLAS_STATUS_SUCCESS"
           : status == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE"
                                                   : "CUBLAS_STATUS_EXECUTION_FAILED";
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
    return make(handle);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
    return destroy(handle);
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation, cublasComputeType_t,
                                        cudaDataType) {
    return make(operation);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
    return destroy(operation);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t, const void* value,
                                              std::size_t bytes) {
    if (bytes != sizeof operation->first) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&operation->first, value, bytes);
    return call();
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t stride) {
    return make(layout, {type, rows, columns, stride});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
    return destroy(layout);
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
    return make(preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
    return destroy(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, std::size_t) {
    return call();
}
// Two, so that the backend has something to choose from: the second is the faster one.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t, int most,
                                              cublasLtMatmulHeuristicResult_t* found, int* count) {
    if (const auto status = call(); status != CUBLAS_STATUS_SUCCESS) return status;
    if (operation->first != CUBLAS_OP_T || a->rows != b->rows || d->rows != a->columns ||
        d->columns != b->columns || c->rows != d->rows || a->type != b->type)
        return CUBLAS_STATUS_INVALID_VALUE;
    // Of 8 bits it multiplies what is whole pieces of 16, and gives more bits back.
    if (d->type == CUDA_R_8F_E4M3) return CUBLAS_STATUS_INVALID_VALUE;
    if (a->type == CUDA_R_8F_E4M3 && (a->rows % 16 != 0 || a->columns % 16 != 0))
        return CUBLAS_STATUS_INVALID_VALUE;
    *count = most < 2 ? most : 2;
    for (int i = 0; i < *count; ++i) {
        found[i] = {};
        found[i].algo.data[0] = i == 0 ? kSlow : kFast;
    }
    return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void*, std::size_t,
                              cudaStream_t stream) {
    if (c != d) return CUBLAS_STATUS_INVALID_VALUE;
    const auto before = device().counts.calls;
    stream->spent += algorithm->data[0];
    device().counts.slow_products += algorithm->data[0] == kSlow;
    enqueue(stream,
            [=, a_is = *a_layout, b_is = *b_layout, d_is = *d_layout,
             by = *static_cast<const float*>(alpha), kept = *static_cast<const float*>(beta)] {
                multiply(a, a_is, b, b_is, d, d_is, by, kept);
            });
    const bool has_failed = device().fails_at != 0 &&
                            (device().fails_for_good ? device().counts.calls >= device().fails_at
                                                     : device().fails_at == before + 1);
    return has_failed ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

namespace casc::gpu::cuda {

Result<const CublasLt*> load_cublas_lt() {
    static const CublasLt functions{.create = cublasLtCreate,
                                    .destroy = cublasLtDestroy,
                                    .status_text = cublasLtGetStatusString,
                                    .make_operation = cublasLtMatmulDescCreate,
                                    .destroy_operation = cublasLtMatmulDescDestroy,
                                    .set_operation = cublasLtMatmulDescSetAttribute,
                                    .make_layout = cublasLtMatrixLayoutCreate,
                                    .destroy_layout = cublasLtMatrixLayoutDestroy,
                                    .make_preference = cublasLtMatmulPreferenceCreate,
                                    .destroy_preference = cublasLtMatmulPreferenceDestroy,
                                    .set_preference = cublasLtMatmulPreferenceSetAttribute,
                                    .propose = cublasLtMatmulAlgoGetHeuristic,
                                    .multiply = cublasLtMatmul};
    return &functions;
}

}  // namespace casc::gpu::cuda
