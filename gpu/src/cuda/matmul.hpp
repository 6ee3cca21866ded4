#pragma once
// cuda/matmul.hpp: products with the matrices of a model, by cuBLASLt.

#include "cuda/api.hpp"
#include "cuda/device_matrix.hpp"

#include <casc/gpu/tensor.hpp>
#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cuda_runtime.h>
#include <memory>
#include <span>

namespace casc::gpu::cuda {

// out [tokens, rows] = in [tokens, columns] times the matrix [rows, columns] and its scale.
struct ProductShape {
    std::uint32_t rows = 0;
    std::uint32_t columns = 0;
    bool out_is_float = false;  // and not of the usual type
    bool adds = false;          // to what is in `out`
    friend bool operator==(const ProductShape&, const ProductShape&) = default;
};

// Sums are of 32 bits whatever the numbers are (of 8 bits a device may add up a few with less).
// Which way of computing a product is taken depends on the shape and on how many tokens there are,
// and may differ from one kind of device to another.
//
// Thread: one at a time. Lifetime: its library is loaded when the first one is made and stays.
class Matmul {
public:
    static constexpr std::size_t kWorkBytes = 32u << 20;

    // Of matrices and what is multiplied with them of one type, and usually to another; `work` has
    // kWorkBytes on the device. Fails with: device_failed (also when there is no cuBLASLt).
    [[nodiscard]] static Result<Matmul> make(ElementType in, ElementType out, void* work);
    Matmul(Matmul&&) noexcept;
    Matmul& operator=(Matmul&&) noexcept;
    ~Matmul();

    // How many tokens are computed when so many are asked for: a way is looked for once for each
    // such number. Buffers have room for as many.
    [[nodiscard]] static constexpr std::uint32_t rounded(std::uint32_t tokens) noexcept {
        if (tokens <= 32) return tokens;
        return (tokens + 63) / 64 * 64;
    }
    // Looks for the fastest way by trying those that cuBLASLt proposes, on matrices of this shape
    // one after the other (so that none is in a cache), from and to memory that nobody needs.
    [[nodiscard]] Result<void> tune(const ProductShape& shape, std::uint32_t tokens,
                                    std::span<const DeviceMatrix> matrices, const void* in,
                                    void* out, cudaStream_t stream);
    // Of a number of tokens that was not tuned for it takes the first way that is proposed.
    [[nodiscard]] Result<void> multiply(const ProductShape& shape, std::uint32_t tokens,
                                        const DeviceMatrix& matrix, const void* in, void* out,
                                        cudaStream_t stream);

private:
    class State;
    explicit Matmul(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace casc::gpu::cuda
