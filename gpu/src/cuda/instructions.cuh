#pragma once
// cuda/instructions.cuh: what is an instruction of the device and has no name in C++. Here, so that
// nothing else differs where kernels are emulated: there gpu/emulated has the same functions.
//
// Pieces of matrices are spread over the registers of a warp as PTX says of mma.m16n8k16 (PTX ISA,
// "Matrix Fragments for mma.m16n8k16"): of an 8 x 8 piece each thread has two neighbours of row
// lane / 4, in columns 2 * (lane % 4) and the next, as the two halves of one register.

#include <cstdint>
#include <cuda_runtime.h>

#ifdef __CUDACC__
namespace casc::gpu::cuda {

__device__ inline float half_bits_to_float(unsigned short bits) {
    float number;
    asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(bits));
    return number;
}
__device__ inline unsigned short float_to_half_bits(float number) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(number));
    return bits;
}
__device__ inline unsigned short float_to_bf16_bits(float number) {
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(number));
    return bits;
}
// Two numbers in one register, the first in its lower half.
__device__ inline std::uint32_t two_f16_bits(float lower, float upper) {
    std::uint32_t bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(upper), "f"(lower));
    return bits;
}
__device__ inline std::uint32_t two_bf16_bits(float lower, float upper) {
    std::uint32_t bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(upper), "f"(lower));
    return bits;
}
// To within 2^-22 of it; of what is far below 0 it is 0.
__device__ inline float power_of_2(float exponent) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(exponent));
    return power;
}

// 16 bytes from the device's memory to the block's, without a register and without waiting: a
// thread that copies through registers has one load on its way at a time, and so waits for memory
// again and again. Copies are waited for by group, those before the kPending newest ones.
__device__ inline void copy_16_bytes(void* to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                     static_cast<unsigned>(__cvta_generic_to_shared(to))),
                 "l"(from)
                 : "memory");
}
__device__ inline void end_copy_group() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kPending>
__device__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four 8 x 8 pieces from shared memory, by a whole warp: `row` is where a row of 16 bytes begins,
// row lane % 8 of piece lane / 8. Turned, rows are columns.
__device__ inline void load_pieces(std::uint32_t (&pieces)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(pieces[0]), "=r"(pieces[1]), "=r"(pieces[2]), "=r"(pieces[3])
                 : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
                 : "memory");
}
__device__ inline void load_turned_pieces(std::uint32_t (&pieces)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(pieces[0]), "=r"(pieces[1]), "=r"(pieces[2]), "=r"(pieces[3])
                 : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
                 : "memory");
}

// sum [16, 8] += a [16, 16] b [16, 8], by a whole warp. a: rows 0 to 7 and 8 to 15 of columns 0 to
// 7, then of columns 8 to 15. b: rows 0 to 7, then 8 to 15, turned. sum: two neighbours of the
// upper half, then of the lower.
__device__ inline void multiply_bf16_pieces(float (&sum)[4], const std::uint32_t (&a)[4],
                                            std::uint32_t b_upper, std::uint32_t b_lower) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_upper), "r"(b_lower));
}
__device__ inline void multiply_f16_pieces(float (&sum)[4], const std::uint32_t (&a)[4],
                                           std::uint32_t b_upper, std::uint32_t b_lower) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b_upper), "r"(b_lower));
}

}  // namespace casc::gpu::cuda
#endif
