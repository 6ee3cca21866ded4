// replay_main.cpp: feeds a kept corpus to a fuzz target, also without libFuzzer.
//
//   casc_fuzz_frame_replay tests/fuzz/corpus/frame
//
// Each file is given as it is, cut at every length (files up to a few KiB) and with bits flipped in
// an order that is the same every time, so that the case finds the same thing on every machine.
// Each input lies in a heap block of exactly its size: AddressSanitizer sees the first byte read
// beyond it.

#include "fuzz_target.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kCutsMax = 512;
constexpr std::size_t kFlipsMax = 512;

void feed(const Input& input) {
    const Input exact(input.begin(),
                      input.end());  // shrunk: no spare capacity behind the last byte
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

Input read_input(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return Input(std::istreambuf_iterator<char>(in), {});
}

void feed_cuts(const Input& input) {
    const std::size_t stride = std::max<std::size_t>(1, input.size() / kCutsMax);
    for (std::size_t bytes = 0; bytes < input.size(); bytes += stride)
        feed(Input(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(bytes)));
}

void feed_flips(const Input& input, std::mt19937& random) {
    if (input.empty()) return;
    for (std::size_t i = 0; i < kFlipsMax; ++i) {
        Input flipped = input;
        // One flip finds missing checks of a field, two find checks that only compare fields with
        // each other.
        for (std::size_t flips = 0; flips <= i % 2; ++flips)
            flipped[random() % flipped.size()] ^= static_cast<std::uint8_t>(1u << random() % 8);
        feed(flipped);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
        std::cerr << "usage: " << argv[0] << " <corpus folder>\n";
        return 2;
    }
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
        files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) {
        std::cerr << argv[1] << " is empty: there is nothing to replay\n";
        return 1;
    }

    std::mt19937 random(
        1);  // NOLINT(cert-msc51-cpp): the same inputs on every machine are the point
    feed({});
    for (const auto& file : files) {
        const Input input = read_input(file);
        feed(input);
        feed_cuts(input);
        feed_flips(input, random);
    }
    std::cout << files.size() << " inputs, each as it is, cut and flipped\n";
    return 0;
}
