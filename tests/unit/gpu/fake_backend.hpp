#pragma once
// A backend and a tokeniser without a model: tokens are bytes, and the next one is a hash of all
// before it. Whoever mixes up slots or positions gets another text; what breaks the contract of
// backend.hpp is written down in `wrong`.

#include <casc/gpu/host_backend.hpp>
#include <casc/gpu/tokenizer.hpp>
#include <casc/types/utf8.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casc::test {

class FakeTokenizer final : public gpu::Tokenizer {
public:
    explicit FakeTokenizer(std::size_t vocabulary_size = 256) : size_(vocabulary_size) {
        for (unsigned byte = 0; byte < 256; ++byte)
            bytes_.push_back(static_cast<char>(byte));
    }
    [[nodiscard]] Result<std::vector<gpu::TokenId>> encode(std::string_view text,
                                                           gpu::SpecialTokens) const override {
        std::vector<gpu::TokenId> tokens;
        for (const char byte : text)
            tokens.push_back(static_cast<unsigned char>(byte));
        return tokens;
    }
    [[nodiscard]] std::string_view bytes_of(gpu::TokenId token) const noexcept override {
        return token == 0 || token >= bytes_.size() ? std::string_view{}
                                                    : std::string_view(bytes_).substr(token, 1);
    }
    [[nodiscard]] std::size_t vocabulary_size() const noexcept override { return size_; }

private:
    std::string bytes_;
    std::size_t size_;
};

inline constexpr gpu::TokenId kFakeEnd = 0;
inline constexpr gpu::TokenId kFakePoison = '!';  // whose prompt has it gets no finite numbers

struct FakeModel {
    std::string alphabet = "abcdefgh ";  // what it answers with
    std::uint32_t ends_one_in = 24;      // tokens; 0: never

    [[nodiscard]] static std::uint64_t hash(std::span<const gpu::TokenId> tokens) noexcept {
        std::uint64_t hash = 0xCBF29CE484222325ull;
        for (const gpu::TokenId token : tokens)
            hash = (hash ^ (token + 1)) * 0x100000001B3ull;
        return (hash ^ hash >> 29) * 0xBF58476D1CE4E5B9ull >> 20;
    }
    [[nodiscard]] gpu::TokenId next(std::span<const gpu::TokenId> tokens,
                                    const gpu::Sampling& sampling, double draw) const noexcept {
        std::uint64_t value = hash(tokens);
        if (sampling.temperature > 0) value += static_cast<std::uint64_t>(draw * 0x1p30);
        if (ends_one_in != 0 && value % ends_one_in == 0) return kFakeEnd;
        return static_cast<unsigned char>(alphabet[value / 64 % alphabet.size()]);
    }
};

class FakeBackend final : public gpu::HostBackend {
public:
    struct Part {
        gpu::SlotId slot;
        std::uint32_t position;
        std::size_t token_count;
        gpu::Wanted wanted;
        auto operator<=>(const Part&) const = default;
    };

    explicit FakeBackend(const gpu::BackendLimits& limits = {.slot_count = 4,
                                                             .context_tokens = 64,
                                                             .step_tokens_max = 32},
                         std::vector<std::string> labels = {})
        : limits_(limits), slots_(limits.slot_count) {
        config_.kind = "fake";
        config_.vocabulary_size = 256;
        config_.context_tokens = limits.context_tokens;
        config_.end_tokens = {kFakeEnd};
        config_.labels = std::move(labels);
    }

    [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
    [[nodiscard]] const gpu::ModelConfig& model() const noexcept override { return config_; }
    [[nodiscard]] const gpu::BackendLimits& limits() const noexcept override { return limits_; }

    FakeModel answers;
    std::function<bool(std::uint64_t)> fails;  // whether the step of that number does
    std::uint64_t steps = 0;
    std::vector<Part> last_step;
    std::vector<std::string> wrong;

private:
    static constexpr std::size_t kEmbeddingSize = 4;

    [[nodiscard]] Result<void> compute(std::span<const gpu::SequenceStep> sequences,
                                       gpu::StepOutput& output) override {
        ++steps;
        check_step(sequences);
        last_step.clear();
        for (const gpu::SequenceStep& sequence : sequences)
            last_step.push_back(
                {sequence.slot, sequence.position, sequence.tokens.size(), sequence.wanted});
        if (fails && fails(steps)) {
            for (const gpu::SequenceStep& sequence : sequences)
                slots_[sequence.slot].clear();
            return Error(ErrorCode::device_failed, "it was told to");
        }
        output.rows.clear();
        output.memory.assign(sequences.size() * values_per_row(), 0.0f);
        for (const gpu::SequenceStep& sequence : sequences)
            output.rows.push_back(row_of(sequence, output));
        return {};
    }

    [[nodiscard]] std::size_t values_per_row() const {
        return std::max(kEmbeddingSize, config_.labels.size());
    }
    void expect(bool is_so, const char* what) {
        if (!is_so) wrong.emplace_back(what);
    }
    void check_step(std::span<const gpu::SequenceStep> sequences) {
        std::set<gpu::SlotId> slots;
        std::size_t tokens = 0;
        expect(!sequences.empty(), "a step of nothing");
        for (const gpu::SequenceStep& sequence : sequences) {
            expect(sequence.slot < limits_.slot_count, "no such slot");
            expect(slots.insert(sequence.slot).second, "a slot twice in a step");
            expect(!sequence.tokens.empty(), "a sequence without tokens");
            expect(sequence.position <= slots_[sequence.slot].size(), "tokens left out");
            expect(sequence.position + sequence.tokens.size() <= limits_.context_tokens,
                   "beyond the context");
            for (const gpu::TokenId token : sequence.tokens)
                expect(token < config_.vocabulary_size, "a token beyond the vocabulary");
            tokens += sequence.tokens.size();
        }
        expect(tokens <= limits_.step_tokens_max, "too many tokens for a step");
    }
    gpu::StepOutput::Row row_of(const gpu::SequenceStep& sequence, gpu::StepOutput& output) {
        auto& slot = slots_[sequence.slot];
        slot.resize(sequence.position);
        slot.insert(slot.end(), sequence.tokens.begin(), sequence.tokens.end());
        gpu::StepOutput::Row row;
        if (std::find(slot.begin(), slot.end(), kFakePoison) != slot.end())
            row.failed = ErrorCode::inference_failed;
        if (sequence.wanted == gpu::Wanted::token)
            row.token = answers.next(slot, sequence.sampling, sequence.draw);
        if (sequence.wanted == gpu::Wanted::logits || sequence.wanted == gpu::Wanted::embedding)
            row.values = values_of(slot, sequence.wanted, output);
        return row;
    }
    std::span<const float> values_of(std::span<const gpu::TokenId> tokens, gpu::Wanted wanted,
                                     gpu::StepOutput& output) const {
        const bool embeds = wanted == gpu::Wanted::embedding;
        const std::span<float> values = std::span(output.memory)
                                            .subspan(output.rows.size() * values_per_row())
                                            .first(embeds ? kEmbeddingSize : config_.labels.size());
        std::uint64_t hash = FakeModel::hash(tokens);
        for (float& value : values) {
            value = embeds ? 0.5f : static_cast<float>(hash % 8);
            hash /= 8;
        }
        return values;
    }

    const gpu::BackendLimits limits_;
    gpu::ModelConfig config_;
    std::vector<std::vector<gpu::TokenId>> slots_;
};

}  // namespace casc::test
