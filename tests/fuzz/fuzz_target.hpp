#pragma once
// fuzz_target.hpp: what every fuzz target is made of. A target feeds its input to one decoder and
// then uses everything that the decoder let through, so that a wrong "yes" shows as a sanitizer
// report or a failed CASC_ASSERT. Thread: any.

#include <casc/types/assert.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>

// libFuzzer's entry point; replay_main.cpp calls the same one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace casc::fuzz {

inline std::span<const std::byte> as_bytes(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span(data, size));
}

// Reads every byte, in a way that the compiler cannot leave out: a view past the end of its buffer
// is found here.
inline void touch(std::span<const std::byte> bytes) {
    volatile unsigned sum = std::accumulate(
        bytes.begin(), bytes.end(), 0u,
        [](unsigned total, std::byte next) { return total + std::to_integer<unsigned>(next); });
    static_cast<void>(sum);
}

template <class Char>
void touch(std::basic_string_view<Char> text) {
    touch(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace casc::fuzz
