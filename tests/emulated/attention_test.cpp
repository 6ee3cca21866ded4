// What tokens see of those before them: lone ones, split over their keys, and prompts in tiles,
// against the same in plain words. What a token does not see is no number.

#include "cuda/attention.cuh"

#include "cuda/api.hpp"
#include "emulated_cuda.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace casc::gpu;
using namespace casc::gpu::cuda;

namespace {

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

// Tokens of one sequence, one behind the other.
struct Run {
    std::uint32_t slot = 0;
    std::uint32_t position = 0;
    std::uint32_t count = 1;
};

// How far a result may be off for its size: as it is rounded.
template <class T>
constexpr float kRounding = 0;
template <>
constexpr float kRounding<Bf16> = 0x1p-8f;
template <>
constexpr float kRounding<F16> = 0x1p-11f;

template <class T>
struct Attention {
    HeadShape shape;
    std::vector<Run> runs;
    std::uint32_t tokens = 0;
    std::mt19937 random{7};
    std::vector<T> qkv;
    std::vector<T> keys;
    std::vector<T> values;
    std::vector<T> attended;
    std::vector<float> turns;   // of two tables
    std::vector<float> scales;  // of each token
    Stream stream;
    std::vector<std::byte> memory;
    StepSlab slab;

    Attention(HeadShape shape_, std::vector<Run> runs_) : shape(shape_), runs(std::move(runs_)) {
        emulated_cuda::reset();
        auto made = make_stream();
        REQUIRE(made);
        stream = std::move(*made);
        std::uint32_t slots = 0;
        for (const Run& run : runs) {
            tokens += run.count;
            slots = std::max(slots, run.slot + 1);
        }
        qkv = numbers(std::size_t{tokens} * row_numbers());
        const std::size_t cached =
            std::size_t{slots} * shape.kv_heads * shape.context_tokens * shape.head_size;
        keys.assign(cached, from_float<T>(kNone));
        values.assign(cached, from_float<T>(kNone));
        attended.assign(std::size_t{tokens} * shape.heads * shape.head_size, from_float<T>(kNone));
        for (const Run& run : runs) {
            const std::uint32_t end = run.position + run.count;
            for (std::uint32_t head = 0; head < shape.kv_heads; ++head)
                for (std::uint32_t at = first_seen(run.position); at < end; ++at)
                    for (std::uint32_t d = 0; d < shape.head_size; ++d) {
                        keys[cached_at(run.slot, head, at, d)] = number();
                        values[cached_at(run.slot, head, at, d)] = number();
                    }
        }
        std::uniform_real_distribution<float> angle(-3, 3);
        turns.resize(std::size_t{2} * shape.context_tokens * shape.head_size);
        for (std::size_t i = 0; i < turns.size(); i += 2) {
            const float angle_of_pair = angle(random);
            turns[i] = std::cos(angle_of_pair);
            turns[i + 1] = std::sin(angle_of_pair);
        }
        for (std::uint32_t token = 0; token < tokens; ++token)
            scales.push_back(token % 2 == 0 ? 0.5f : 2);
        const SlabLayout layout{.rows_max = tokens, .tokens_max = tokens + 1};
        memory.resize(layout.bytes());
        slab = {memory.data(), layout};
        std::uint32_t token = 0;
        for (const Run& run : runs)
            for (std::uint32_t i = 0; i < run.count; ++i)
                slab.tokens()[token++] = {
                    .slot = run.slot, .position = run.position + i, .is_beyond = run.slot % 2};
    }
    // What place() would do: to queries in their place, to keys and values in the cache.
    void place_plainly() {
        for (std::uint32_t token = 0; token < tokens; ++token) {
            const TokenParameters& is = slab.tokens()[token];
            const float* const turn =
                &turns[(std::size_t{is.is_beyond} * shape.context_tokens + is.position) *
                       shape.head_size];
            for (std::uint32_t head = 0; head < shape.heads + 2 * shape.kv_heads; ++head) {
                T* const at = &qkv[token * row_numbers() + head * shape.head_size];
                const std::uint32_t half = shape.head_size / 2;
                const bool is_turned = head < shape.heads + shape.kv_heads;
                for (std::uint32_t d = 0; d < half; ++d) {
                    const float first = to_float(at[d]) * scales[token];
                    const float second = to_float(at[d + half]) * scales[token];
                    const float cosine = is_turned ? turn[2 * d] : 1;
                    const float sine = is_turned ? turn[2 * d + 1] : 0;
                    at[d] = from_float<T>(first * cosine - second * sine);
                    at[d + half] = from_float<T>(second * cosine + first * sine);
                }
                if (head < shape.heads) continue;
                const std::uint32_t kv_head = (head - shape.heads) % shape.kv_heads;
                std::copy_n(
                    at, shape.head_size,
                    &(is_turned ? keys : values)[cached_at(is.slot, kv_head, is.position, 0)]);
            }
        }
    }
    [[nodiscard]] std::size_t row_numbers() const {
        return std::size_t{shape.heads + 2 * shape.kv_heads} * shape.head_size;
    }
    [[nodiscard]] std::uint32_t first_seen(std::uint32_t position) const {
        return shape.window_tokens == 0 || position + 1 < shape.window_tokens
                   ? 0
                   : position + 1 - shape.window_tokens;
    }
    [[nodiscard]] std::size_t cached_at(std::uint32_t slot, std::uint32_t head, std::uint32_t token,
                                        std::uint32_t d) const {
        return ((std::size_t{slot} * shape.kv_heads + head) * shape.context_tokens + token) *
                   shape.head_size +
               d;
    }
    T number() { return from_float<T>(std::normal_distribution<float>(0, 1)(random)); }
    std::vector<T> numbers(std::size_t count) {
        std::vector<T> all(count);
        for (T& one : all)
            one = number();
        return all;
    }

    // Of `launched` tokens and splits, of which there are fewer.
    void attend_lone_ones(std::uint32_t launched, std::uint32_t more_splits) {
        slab.counts()->lone_tokens = tokens;
        std::uint32_t splits = 0;
        for (const Run& run : runs)
            splits = std::max(splits, splits_of<T>(run.position + 1));
        splits += more_splits;
        std::vector<float> parts(
            std::size_t{launched} * shape.heads * splits * part_floats(shape.head_size), kNone);
        std::vector<std::uint32_t> arrived(std::size_t{launched} * shape.heads);
        // Themselves they have still to come to the cache.
        for (const Run& run : runs)
            for (std::uint32_t head = 0; head < shape.kv_heads; ++head)
                for (std::vector<T>* const cache : {&keys, &values})
                    std::fill_n(&(*cache)[cached_at(run.slot, head, run.position, 0)],
                                shape.head_size, from_float<T>(kNone));
        attend_lone(stream.get(), launched, splits, slab, shape, {turns.data(), scales.data()},
                    qkv.data(), keys.data(), values.data(), {parts.data(), arrived.data()},
                    attended.data());
        REQUIRE(cudaStreamSynchronize(stream.get()) == cudaSuccess);
        const std::vector<T> keys_after = keys;
        const std::vector<T> values_after = values;
        place_plainly();
        CHECK(std::memcmp(keys_after.data(), keys.data(), keys.size() * sizeof(T)) == 0);
        CHECK(std::memcmp(values_after.data(), values.data(), values.size() * sizeof(T)) == 0);
        CHECK(std::ranges::count(arrived, 0u) == static_cast<std::ptrdiff_t>(arrived.size()));
    }
    void attend_in_tiles() {
        std::uint32_t tiles = 0;
        std::uint32_t token = 0;
        for (const Run& run : runs)
            for (std::uint32_t left = run.count; left > 0;) {
                const std::uint32_t count = std::min(left, PromptTile::kTokensMax);
                slab.tiles()[tiles++] = {token, count};
                token += count;
                left -= count;
            }
        attend_tiles(stream.get(), tiles, slab, shape, qkv.data(), keys.data(), values.data(),
                     attended.data());
        REQUIRE(cudaStreamSynchronize(stream.get()) == cudaSuccess);
    }

    // What one head of a token should have.
    [[nodiscard]] std::vector<double> wanted(std::uint32_t token, std::uint32_t head) const {
        const TokenParameters& is = slab.tokens()[token];
        const std::uint32_t kv_head = head / (shape.heads / shape.kv_heads);
        const T* const query = &qkv[token * row_numbers() + head * shape.head_size];
        std::vector<double> sum(shape.head_size);
        double all = 0;
        for (std::uint32_t at = first_seen(is.position); at <= is.position; ++at) {
            double score = 0;
            for (std::uint32_t d = 0; d < shape.head_size; ++d)
                score += static_cast<double>(to_float(query[d])) *
                         to_float(keys[cached_at(is.slot, kv_head, at, d)]);
            const double share = std::exp(score / std::sqrt(static_cast<double>(shape.head_size)));
            all += share;
            for (std::uint32_t d = 0; d < shape.head_size; ++d)
                sum[d] += share * to_float(values[cached_at(is.slot, kv_head, at, d)]);
        }
        for (double& one : sum)
            one /= all;
        return sum;
    }
    void check() const {
        std::size_t wrong = 0;
        for (std::uint32_t token = 0; token < tokens; ++token)
            for (std::uint32_t head = 0; head < shape.heads; ++head) {
                const std::vector<double> should = wanted(token, head);
                for (std::uint32_t d = 0; d < shape.head_size; ++d) {
                    const float is = to_float(
                        attended[(std::size_t{token} * shape.heads + head) * shape.head_size + d]);
                    const double may = std::abs(should[d]) * kRounding<T> + 4e-5;
                    if (!(std::abs(is - should[d]) <= may)) ++wrong;
                }
            }
        CHECK(wrong == 0);
    }
};

// Heads that share keys: alone, two, an odd number, more than a matrix has rows.
struct Heads {
    std::uint32_t heads;
    std::uint32_t kv_heads;
};
constexpr Heads kHeads[] = {{2, 2}, {4, 2}, {7, 1}, {20, 1}};
// Half a piece, odd ones, and as large as each kernel can.
constexpr std::uint32_t kSizes[] = {8, 64, 72, 96, 104, 128};
constexpr std::uint32_t kWindows[] = {0, 1, 50, 64, 65, 150};

// Leaves what is no number wherever blocks of the same kernel keep keys and values.
template <class T>
void spoil_blocks(HeadShape shape) {
    shape.window_tokens = 0;
    Attention<T> attention(shape, {{0, 0, 128}});
    std::ranges::fill(attention.keys, from_float<T>(kNone));
    std::ranges::fill(attention.values, from_float<T>(kNone));
    attention.attend_in_tiles();
    Attention<T> lone(shape, {{0, 127}});
    lone.keys = attention.keys;
    lone.values = attention.values;
    lone.attend_lone_ones(1, 0);
}

template <class T>
void check_lone(HeadShape shape) {
    spoil_blocks<T>(shape);
    Attention<T> attention(shape, {{4, 199}, {1, 0}, {0, 63}, {3, 64}, {2, 65}});
    attention.attend_lone_ones(7, 2);
    attention.check();
}

template <class T>
void check_tiles(HeadShape shape) {
    spoil_blocks<T>(shape);
    Attention<T> attention(shape, {{1, 0, 1}, {0, 0, 70}, {3, 60, 64}, {2, 133, 17}});
    attention.attend_in_tiles();
    attention.check();
}

}  // namespace

TEST_CASE_TEMPLATE("emulated/attention: lone tokens, heads that share keys, all sizes", T, float,
                   Bf16, F16) {
    for (const std::uint32_t size : kSizes)
        for (const auto [heads, kv_heads] : kHeads) {
            CAPTURE(size);
            CAPTURE(heads);
            check_lone<T>({heads, kv_heads, size, 200, 0});
        }
}

TEST_CASE_TEMPLATE("emulated/attention: prompts, heads that share keys, all sizes", T, float, Bf16,
                   F16) {
    for (const std::uint32_t size : kSizes)
        for (const auto [heads, kv_heads] : kHeads) {
            if (heads == 20 && size > 8) continue;
            CAPTURE(size);
            CAPTURE(heads);
            check_tiles<T>({heads, kv_heads, size, 200, 0});
        }
}

TEST_CASE_TEMPLATE("emulated/attention: windows end within splits and tiles", T, float, Bf16, F16) {
    for (const std::uint32_t window : kWindows) {
        CAPTURE(window);
        check_lone<T>({4, 2, 40, 200, window});
        check_tiles<T>({4, 2, 40, 200, window});
    }
}

TEST_CASE_TEMPLATE("emulated/attention: more splits than a warp joins at once", T, float, Bf16,
                   F16) {
    constexpr std::uint32_t kTokens = 330 * kSplitTokens<T>;
    for (const auto [heads, kv_heads] : {Heads{1, 1}, Heads{2, 1}, Heads{3, 1}, Heads{5, 1}}) {
        CAPTURE(heads);
        Attention<T> attention({heads, kv_heads, 8, kTokens, 0}, {{0, kTokens - 7}, {1, 500}});
        attention.attend_lone_ones(2, 0);
        attention.check();
    }
}

TEST_CASE("emulated/attention: a token has the same bits alone and among others") {
    const HeadShape shape{.heads = 6, .kv_heads = 2, .head_size = 48, .context_tokens = 300};
    Attention<Bf16> among(shape, {{1, 20}, {0, 299}, {2, 130}});
    const auto qkv = among.qkv;  // not turned yet
    among.attend_lone_ones(3, 1);
    Attention<Bf16> alone(shape, {{0, 299}});
    const std::size_t row = among.row_numbers();
    std::copy_n(qkv.begin() + static_cast<std::ptrdiff_t>(row), row, alone.qkv.begin());
    std::copy_n(among.keys.begin(), alone.keys.size(), alone.keys.begin());
    std::copy_n(among.values.begin(), alone.values.size(), alone.values.begin());
    alone.turns = among.turns;
    alone.scales = {among.scales[1]};
    alone.attend_lone_ones(1, 0);
    for (std::size_t i = 0; i < alone.attended.size(); ++i)
        CHECK(alone.attended[i].bits == among.attended[alone.attended.size() + i].bits);
}

TEST_CASE_TEMPLATE("emulated/attention: who sees what is no number has none, and others have", T,
                   float, Bf16, F16) {
    const HeadShape shape{.heads = 2, .kv_heads = 1, .head_size = 16, .context_tokens = 200};
    const auto finite = [&](const Attention<T>& attention, std::uint32_t token) {
        const auto* const row = &attention.attended[std::size_t{token} * 32];
        return std::count_if(row, row + 32, [](T one) { return std::isfinite(to_float(one)); });
    };
    for (const bool is_key : {true, false}) {
        CAPTURE(is_key);
        Attention<T> lone(shape, {{0, 150}, {1, 150}});
        (is_key ? lone.keys : lone.values)[lone.cached_at(1, 0, 70, 3)] = from_float<T>(kNone);
        lone.attend_lone_ones(2, 0);
        CHECK(finite(lone, 0) == 32);
        CHECK(finite(lone, 1) == (is_key ? 0 : 30));
        // Of tiles only whether there are numbers at all is said.
        for (const std::uint32_t window : {0u, 40u}) {
            CAPTURE(window);
            HeadShape windowed = shape;
            windowed.window_tokens = window;
            Attention<T> tiles(windowed, {{0, 0, 130}});
            (is_key ? tiles.keys : tiles.values)[tiles.cached_at(0, 0, 70, 3)] =
                from_float<T>(kNone);
            tiles.attend_in_tiles();
            for (std::uint32_t token = 0; token < 130; ++token) {
                CAPTURE(token);
                const bool sees = token >= 70 && (window == 0 || token < 70 + window);
                CHECK((finite(tiles, token) == 32) == !sees);
            }
        }
    }
}
