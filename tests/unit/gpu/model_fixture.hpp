#pragma once
// The models that tests/models/make_models.py has written, and what they answer.

#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/mapped_file.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace casc::gpu {

inline std::filesystem::path model_folder(const std::string& name) {
    return std::filesystem::path(CASC_MODELS_FOLDER) / name;
}

// What is missing fails the case.
template <class Value>
Value required(Result<Value> value, const std::string& name) {
    if (!value) FAIL(name << ": " << value.error().message());
    return *std::move(value);
}

inline ModelWeights weights_of_model(const std::string& name) {
    return required(ModelWeights::open(model_folder(name)), name);
}

inline std::unique_ptr<CpuBackend> backend_of_model(const std::string& name,
                                                    const CpuOptions& options = {}) {
    return required(CpuBackend::make(weights_of_model(name), options), name);
}

using Numbers = std::vector<float>;
using Tokens = std::vector<TokenId>;

// A step of one sequence. Nothing: it failed.
inline Numbers values_of(Backend& backend, SlotId slot, std::size_t position,
                         std::span<const TokenId> tokens, Wanted wanted = Wanted::logits) {
    StepOutput output;
    const SequenceStep step{.slot = slot,
                            .position = static_cast<std::uint32_t>(position),
                            .tokens = tokens,
                            .wanted = wanted};
    REQUIRE(backend.step({&step, 1}, output));
    REQUIRE(output.rows.size() == 1);
    const auto values = output.rows[0].values;
    return {values.begin(), values.end()};
}

// Of tokens that all models have, and none is poisoned.
inline Tokens random_text(std::size_t count, std::mt19937& random) {
    Tokens text(count);
    for (TokenId& token : text)
        token = static_cast<TokenId>(random() % 100);
    return text;
}

// A model whose vocabulary's last token is no number, with three slots: a text of which it is a
// part fails, those beside it have the same numbers to the bit, and nothing of it stays in its
// slot.
inline void check_poison_stays(Backend& backend, std::span<const TokenId> healthy) {
    const Numbers before = values_of(backend, 2, 0, healthy);
    CHECK_FALSE(before.empty());
    Tokens poisoned(healthy.begin(), healthy.end());
    poisoned[poisoned.size() / 2] = static_cast<TokenId>(backend.model().vocabulary_size - 1);
    StepOutput output;
    for (const Wanted wanted : {Wanted::token, Wanted::logits, Wanted::embedding}) {
        const std::vector<SequenceStep> steps = {
            {.slot = 0, .tokens = healthy, .wanted = Wanted::logits},
            {.slot = 1, .tokens = poisoned, .wanted = wanted},
            {.slot = 2, .tokens = healthy, .wanted = Wanted::logits}};
        REQUIRE(backend.step(steps, output));
        CHECK(output.rows[1].failed == ErrorCode::inference_failed);
        CHECK(output.rows[1].token == kNoToken);
        CHECK(output.rows[1].values.empty());
        for (const std::size_t row : {0, 2}) {
            CHECK_FALSE(output.rows[row].failed);
            CHECK(std::ranges::equal(output.rows[row].values, before));
        }
    }
    CHECK(values_of(backend, 1, 0, healthy) == before);
}

// reference.safetensors
class ModelReference {
public:
    explicit ModelReference(const std::string& name)
        : file_(required(MappedFile::open(model_folder(name) / "reference.safetensors"), name)),
          tensors_(required(read_safetensors(file_.bytes()), name)) {}

    [[nodiscard]] bool has(const std::string& name) const { return find(name) != nullptr; }
    [[nodiscard]] std::vector<TokenId> tokens(const std::string& name) const {
        return numbers<TokenId>(name, ElementType::i32);
    }
    // [row]
    [[nodiscard]] std::vector<std::vector<float>> rows(const std::string& name) const {
        const auto all = numbers<float>(name, ElementType::f32);
        REQUIRE(find(name)->shape.size() == 2);
        const std::size_t size = find(name)->shape[1];
        std::vector<std::vector<float>> rows;
        for (std::size_t at = 0; at < all.size(); at += size)
            rows.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at),
                              all.begin() + static_cast<std::ptrdiff_t>(at + size));
        return rows;
    }

private:
    [[nodiscard]] const Tensor* find(const std::string& name) const {
        const auto found = std::ranges::find(tensors_, name, &Tensor::name);
        return found == tensors_.end() ? nullptr : &*found;
    }
    template <class Number>
    [[nodiscard]] std::vector<Number> numbers(const std::string& name, ElementType type) const {
        const Tensor* const tensor = find(name);
        REQUIRE(tensor != nullptr);
        REQUIRE(tensor->type == type);
        std::vector<Number> numbers(tensor->bytes.size() / sizeof(Number));
        std::memcpy(numbers.data(), tensor->bytes.data(), tensor->bytes.size());
        return numbers;
    }

    MappedFile file_;
    std::vector<Tensor> tensors_;
};

}  // namespace casc::gpu
