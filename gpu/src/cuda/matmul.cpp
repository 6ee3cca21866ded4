#include "cuda/matmul.hpp"

#include "cuda/cublas_lt.hpp"
#include "cuda/stopwatch.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace casc::gpu::cuda {
namespace {

constexpr int kProposals = 24;
constexpr int kRuns = 20;  // of each when they are tried

Result<void> check(const CublasLt& library, cublasStatus_t status, const char* doing) {
    if (status == CUBLAS_STATUS_SUCCESS) return {};
    return Error(ErrorCode::device_failed,
                 std::string("cuBLASLt cannot ") + doing + ": " + library.status_text(status));
}

cudaDataType type_of(ElementType type) {
    switch (type) {
        case ElementType::bf16:
            return CUDA_R_16BF;
        case ElementType::f16:
            return CUDA_R_16F;
        case ElementType::f8_e4m3:
            return CUDA_R_8F_E4M3;
        default:
            return CUDA_R_32F;
    }
}

}  // namespace

// What cuBLASLt makes and destroys.
template <class Handle>
struct Destroyer {
    cublasStatus_t (*destroy)(Handle) = nullptr;
    using pointer = Handle;
    void operator()(Handle handle) const { static_cast<void>(destroy(handle)); }
};
template <class Handle>
using Handled = std::unique_ptr<void, Destroyer<Handle>>;

// A way of computing a product. To cuBLASLt, whose matrices have one column behind the other, ours
// are transposed: it computes [rows, tokens] = transposed([columns, rows]) times [columns, tokens].
struct Way {
    ProductShape shape;
    std::uint32_t tokens = 0;
    Handled<cublasLtMatmulDesc_t> operation;
    Handled<cublasLtMatrixLayout_t> matrix;
    Handled<cublasLtMatrixLayout_t> in;
    Handled<cublasLtMatrixLayout_t> out;
    cublasLtMatmulAlgo_t algorithm{};
};

class Matmul::State {
public:
    State(const CublasLt& library, ElementType in, ElementType out, void* work)
        : library_(library), in_(type_of(in)), out_(type_of(out)), work_(work) {}

    Result<void> open() {
        cublasLtHandle_t handle = nullptr;
        CASC_TRY_VOID(check(library_, library_.create(&handle), "begin"));
        handle_ = {handle, {library_.destroy}};
        cublasLtMatmulPreference_t preference = nullptr;
        CASC_TRY_VOID(check(library_, library_.make_preference(&preference), "make a preference"));
        preference_ = {preference, {library_.destroy_preference}};
        const std::size_t bytes = kWorkBytes;
        CASC_TRY_VOID(
            check(library_,
                  library_.set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                          &bytes, sizeof bytes),
                  "take a preference"));
        // Sums that are split over the columns stay of 32 bits until they are added up.
        const std::uint32_t scheme = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
        return check(library_,
                     library_.set_preference(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                             &scheme, sizeof scheme),
                     "take a preference");
    }

    [[nodiscard]] Way* find(const ProductShape& shape, std::uint32_t tokens) {
        const auto found = std::ranges::find_if(
            ways_, [&](const Way& way) { return way.shape == shape && way.tokens == tokens; });
        return found == ways_.end() ? nullptr : &*found;
    }

    Result<Way> describe(const ProductShape& shape, std::uint32_t tokens) const {
        Way way;
        way.shape = shape;
        way.tokens = tokens;
        cublasLtMatmulDesc_t operation = nullptr;
        CASC_TRY_VOID(check(library_,
                            library_.make_operation(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                            "describe a product"));
        way.operation = {operation, {library_.destroy_operation}};
        const cublasOperation_t transposed = CUBLAS_OP_T;
        CASC_TRY_VOID(check(library_,
                            library_.set_operation(operation, CUBLASLT_MATMUL_DESC_TRANSA,
                                                   &transposed, sizeof transposed),
                            "describe a product"));
        CASC_TRY(way.matrix, layout(in_, shape.columns, shape.rows));
        CASC_TRY(way.in, layout(in_, shape.columns, tokens));
        CASC_TRY(way.out, layout(shape.out_is_float ? CUDA_R_32F : out_, shape.rows, tokens));
        return way;
    }

    Result<std::vector<cublasLtMatmulAlgo_t>> propose(const Way& way) const {
        std::array<cublasLtMatmulHeuristicResult_t, kProposals> found;
        int count = 0;
        CASC_TRY_VOID(check(library_,
                            library_.propose(handle_.get(), way.operation.get(), way.matrix.get(),
                                             way.in.get(), way.out.get(), way.out.get(),
                                             preference_.get(), kProposals, found.data(), &count),
                            "find a way to multiply"));
        std::vector<cublasLtMatmulAlgo_t> usable;
        for (int i = 0; i < count; ++i)
            if (found[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
                usable.push_back(found[static_cast<std::size_t>(i)].algo);
        if (usable.empty())
            return Error(ErrorCode::device_failed,
                         "cuBLASLt knows no way to multiply [" + std::to_string(way.shape.rows) +
                             ", " + std::to_string(way.shape.columns) + "] with " +
                             std::to_string(way.tokens) + " tokens on this device");
        return usable;
    }

    Result<void> run(const Way& way, const cublasLtMatmulAlgo_t& algorithm,
                     const DeviceMatrix& matrix, const void* in, void* out,
                     cudaStream_t stream) const {
        const float kept = way.shape.adds ? 1 : 0;
        return check(
            library_,
            library_.multiply(handle_.get(), way.operation.get(), &matrix.scale, matrix.data,
                              way.matrix.get(), in, way.in.get(), &kept, out, way.out.get(), out,
                              way.out.get(), &algorithm, work_, kWorkBytes, stream),
            "multiply");
    }

    // Milliseconds of kRuns products, with one matrix after the other.
    Result<float> time(const Way& way, const cublasLtMatmulAlgo_t& algorithm,
                       std::span<const DeviceMatrix> matrices, const void* in, void* out,
                       cudaStream_t stream) const {
        CASC_TRY(const Stopwatch watch, Stopwatch::make());
        const auto once = [&](std::size_t i) {
            return run(way, algorithm, matrices[i % matrices.size()], in, out, stream);
        };
        CASC_TRY_VOID(once(0));
        return watch.time(stream, [&]() -> Result<void> {
            for (std::size_t i = 0; i < kRuns; ++i)
                CASC_TRY_VOID(once(i + 1));
            return {};
        });
    }

    const CublasLt& library_;
    const cudaDataType in_;
    const cudaDataType out_;
    void* const work_;
    Handled<cublasLtHandle_t> handle_;
    Handled<cublasLtMatmulPreference_t> preference_;
    std::vector<Way>
        ways_;  // few: looking through them costs less than launching what they describe

private:
    Result<Handled<cublasLtMatrixLayout_t>> layout(cudaDataType type, std::uint64_t rows,
                                                   std::uint64_t columns) const {
        cublasLtMatrixLayout_t made = nullptr;
        CASC_TRY_VOID(
            check(library_,
                  library_.make_layout(&made, type, rows, columns, static_cast<std::int64_t>(rows)),
                  "describe a matrix"));
        return Handled<cublasLtMatrixLayout_t>(made, {library_.destroy_layout});
    }
};

Matmul::Matmul(std::unique_ptr<State> state) : state_(std::move(state)) {}
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul& Matmul::operator=(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

Result<Matmul> Matmul::make(ElementType in, ElementType out, void* work) {
    CASC_TRY(const CublasLt* const library, load_cublas_lt());
    auto state = std::make_unique<State>(*library, in, out, work);
    CASC_TRY_VOID(state->open());
    return Matmul(std::move(state));
}

Result<void> Matmul::tune(const ProductShape& shape, std::uint32_t tokens,
                          std::span<const DeviceMatrix> matrices, const void* in, void* out,
                          cudaStream_t stream) {
    tokens = rounded(tokens);
    if (state_->find(shape, tokens) != nullptr) return {};
    CASC_TRY(Way way, state_->describe(shape, tokens));
    CASC_TRY(const auto proposed, state_->propose(way));
    std::optional<float> best;
    std::optional<Error> trouble;
    for (const cublasLtMatmulAlgo_t& algorithm : proposed) {
        const auto took = state_->time(way, algorithm, matrices, in, out, stream);
        // That it was proposed is no promise that it runs.
        if (!took) trouble = took.error();
        if (!took || (best && *took >= *best)) continue;
        best = *took;
        way.algorithm = algorithm;
    }
    if (!best) return *trouble;
    state_->ways_.push_back(std::move(way));
    return {};
}

Result<void> Matmul::multiply(const ProductShape& shape, std::uint32_t tokens,
                              const DeviceMatrix& matrix, const void* in, void* out,
                              cudaStream_t stream) {
    const Way* way = state_->find(shape, rounded(tokens));
    if (way == nullptr) {
        CASC_TRY(Way made, state_->describe(shape, rounded(tokens)));
        CASC_TRY(const auto proposed, state_->propose(made));
        made.algorithm = proposed.front();
        way = &state_->ways_.emplace_back(std::move(made));
    }
    return state_->run(*way, way->algorithm, matrix, in, out, stream);
}

}  // namespace casc::gpu::cuda
