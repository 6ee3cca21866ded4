#include <casc/wire/crc32c.hpp>

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#endif

namespace casc::wire {
namespace {

// The Castagnoli polynomial with its bits reversed, as the reflected algorithm uses it.
constexpr std::uint32_t kPolynomial = 0x82F63B78;

constexpr std::uint32_t advance_one_byte(std::uint32_t state) {
    for (int bit = 0; bit < 8; ++bit)
        state = (state >> 1) ^ ((state & 1u) != 0 ? kPolynomial : 0u);
    return state;
}

// Row 0 is the classic byte table; row k advances the same byte by k further zero bytes, so that
// eight bytes can be looked up at once ("slicing by eight").
constexpr auto kSlices = [] {
    std::array<std::array<std::uint32_t, 256>, 8> slices{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t state = advance_one_byte(byte);
        for (auto& row : slices) {
            row[byte] = state;
            state = advance_one_byte(state);
        }
    }
    return slices;
}();

std::uint64_t load64(const std::byte* at) noexcept {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

std::uint32_t advance_tables(std::uint32_t state, const std::byte* at, std::size_t bytes) noexcept {
    for (; bytes >= 8; at += 8, bytes -= 8) {
        const std::uint64_t word = load64(at) ^ state;
        state = 0;
        for (unsigned i = 0; i < 8; ++i)
            state ^= kSlices[7 - i][word >> (8 * i) & 0xFF];
    }
    for (; bytes > 0; ++at, --bytes)
        state = (state >> 8) ^ kSlices[0][(state ^ static_cast<std::uint32_t>(*at)) & 0xFF];
    return state;
}

#if defined(__x86_64__)

// The instruction has a latency of three cycles but starts every cycle, so three streams run side
// by side and are joined. Joining advances a state over `stride` zero bytes, which is linear in its
// 32 bits and so four table lookups. Long inputs use the long stride (23 GB/s on a 3 GHz Xeon); the
// short one is for batches of 1 to 3 KiB and for what the long one leaves over, which would run at
// a third of the speed.
constexpr std::size_t kLongStride = 1024;
constexpr std::size_t kShortStride = 128;

using Matrix = std::array<std::uint32_t, 32>;  // column i: what bit i becomes

constexpr std::uint32_t transformed(const Matrix& matrix, std::uint32_t vector) {
    std::uint32_t sum = 0;
    for (unsigned bit = 0; bit < 32; ++bit)
        if ((vector >> bit & 1u) != 0) sum ^= matrix[bit];
    return sum;
}

constexpr Matrix multiply(const Matrix& a, const Matrix& b) {
    Matrix product{};
    for (unsigned bit = 0; bit < 32; ++bit)
        product[bit] = transformed(a, b[bit]);
    return product;
}

template <std::size_t stride>
constexpr auto kShiftTable = [] {
    static_assert(std::has_single_bit(stride), "the matrix is made by squaring");
    Matrix matrix{};
    for (unsigned bit = 0; bit < 32; ++bit)
        matrix[bit] = advance_one_byte(1u << bit);
    for (std::size_t bytes = 1; bytes < stride; bytes *= 2)
        matrix = multiply(matrix, matrix);
    std::array<std::array<std::uint32_t, 256>, 4> table{};
    for (unsigned row = 0; row < 4; ++row)
        for (std::uint32_t byte = 0; byte < 256; ++byte)
            table[row][byte] = transformed(matrix, byte << (8 * row));
    return table;
}();

template <std::size_t stride>
std::uint32_t shift_state(std::uint32_t state) noexcept {
    constexpr auto& table = kShiftTable<stride>;
    return table[0][state & 0xFF] ^ table[1][state >> 8 & 0xFF] ^ table[2][state >> 16 & 0xFF] ^
           table[3][state >> 24];
}

// Takes as many blocks of three strides as there are off the front of [at, at + bytes).
template <std::size_t stride>
__attribute__((target("sse4.2"), always_inline)) inline std::uint64_t advance_blocks(
    std::uint64_t a, const std::byte*& at, std::size_t& bytes) noexcept {
    for (; bytes >= 3 * stride; at += 3 * stride, bytes -= 3 * stride) {
        std::uint64_t b = 0;
        std::uint64_t c = 0;
        for (std::size_t i = 0; i < stride; i += 8) {
            a = _mm_crc32_u64(a, load64(at + i));
            b = _mm_crc32_u64(b, load64(at + stride + i));
            c = _mm_crc32_u64(c, load64(at + 2 * stride + i));
        }
        const auto ab =
            shift_state<stride>(static_cast<std::uint32_t>(a)) ^ static_cast<std::uint32_t>(b);
        a = shift_state<stride>(ab) ^ static_cast<std::uint32_t>(c);
    }
    return a;
}

__attribute__((target("sse4.2"))) std::uint32_t advance_sse42(std::uint32_t state,
                                                              const std::byte* at,
                                                              std::size_t bytes) noexcept {
    std::uint64_t a = state;
    a = advance_blocks<kLongStride>(a, at, bytes);
    a = advance_blocks<kShortStride>(a, at, bytes);
    for (; bytes >= 8; at += 8, bytes -= 8)
        a = _mm_crc32_u64(a, load64(at));
    auto narrow = static_cast<std::uint32_t>(a);
    for (; bytes > 0; ++at, --bytes)
        narrow = _mm_crc32_u8(narrow, static_cast<std::uint8_t>(*at));
    return narrow;
}

const bool kHaveInstruction = __builtin_cpu_supports("sse4.2") != 0;
constexpr std::string_view kInstruction = "sse4.2";
std::uint32_t advance(std::uint32_t state, const std::byte* at, std::size_t bytes) noexcept {
    return kHaveInstruction ? advance_sse42(state, at, bytes) : advance_tables(state, at, bytes);
}

#elif defined(__aarch64__)

__attribute__((target("+crc"))) std::uint32_t advance_armv8(std::uint32_t state,
                                                            const std::byte* at,
                                                            std::size_t bytes) noexcept {
    for (; bytes >= 8; at += 8, bytes -= 8)
        state = __crc32cd(state, load64(at));
    for (; bytes > 0; ++at, --bytes)
        state = __crc32cb(state, static_cast<std::uint8_t>(*at));
    return state;
}

const bool kHaveInstruction = (getauxval(AT_HWCAP) & (1ul << 7)) != 0;  // HWCAP_CRC32
constexpr std::string_view kInstruction = "armv8";
std::uint32_t advance(std::uint32_t state, const std::byte* at, std::size_t bytes) noexcept {
    return kHaveInstruction ? advance_armv8(state, at, bytes) : advance_tables(state, at, bytes);
}

#else

constexpr bool kHaveInstruction = false;
constexpr std::string_view kInstruction = "";
std::uint32_t advance(std::uint32_t state, const std::byte* at, std::size_t bytes) noexcept {
    return advance_tables(state, at, bytes);
}

#endif

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
    return ~advance(~seed, bytes.data(), bytes.size());
}

std::uint32_t crc32c_portable(std::span<const std::byte> bytes, std::uint32_t seed) noexcept {
    return ~advance_tables(~seed, bytes.data(), bytes.size());
}

std::string_view crc32c_path() noexcept {
    return kHaveInstruction ? kInstruction : "tables";
}

}  // namespace casc::wire
