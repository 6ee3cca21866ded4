#include "cuda/step.hpp"

#include "row_values.hpp"

#include <algorithm>
#include <chrono>

namespace casc::gpu::cuda {
namespace {

using Clock = std::chrono::steady_clock;

SlabLayout layout_of(const BackendLimits& limits) {
    return {.rows_max = limits.slot_count,
            // A graph copies as many as it was made for.
            .tokens_max = std::max<std::size_t>(limits.step_tokens_max,
                                                Transformer::bucket_of(limits.slot_count))};
}

std::size_t pinned_bytes(const ModelConfig& model, const BackendLimits& limits) {
    const std::size_t rows = limits.slot_count;
    return PinnedMemory::bytes_of<std::byte>(layout_of(limits).bytes()) +
           PinnedMemory::bytes_of<float>(rows * head_rows(model)) +
           PinnedMemory::bytes_of<float>(rows * model.hidden_size) +
           PinnedMemory::bytes_of<SampledToken>(Transformer::bucket_of(limits.slot_count));
}

bool wants(std::span<const SequenceStep> sequences, Wanted wanted) {
    return std::ranges::any_of(sequences,
                               [&](const SequenceStep& is) { return is.wanted == wanted; });
}

}  // namespace

std::size_t Step::device_bytes(const BackendLimits& limits) {
    return DeviceMemory::bytes_of<std::byte>(layout_of(limits).bytes());
}

Step::Step(const ModelConfig& model, const BackendLimits& limits, const Rope& rope,
           Transformer& transformer)
    : model_(model), limits_(limits), transformer_(transformer), book_(model, limits, rope) {
    tokens_.reserve(limits.step_tokens_max);
    last_tokens_.reserve(limits.slot_count);
    rows_.reserve(limits.slot_count);
}

Result<Step> Step::make(const ModelConfig& model, const BackendLimits& limits, const Rope& rope,
                        Transformer& transformer, DeviceMemory& memory) {
    Step step(model, limits, rope, transformer);
    const SlabLayout layout = layout_of(limits);
    CASC_TRY(step.pinned_, make_pinned_memory(pinned_bytes(model, limits)));
    step.here_ = {step.pinned_.take<std::byte>(layout.bytes()), layout};
    step.there_ = {memory.take<std::byte>(layout.bytes()), layout};
    step.returned_.logits = step.pinned_.take<float>(limits.slot_count * head_rows(model));
    step.returned_.states = step.pinned_.take<float>(limits.slot_count * model.hidden_size);
    step.returned_.tokens =
        step.pinned_.take<SampledToken>(Transformer::bucket_of(limits.slot_count));
    // What a graph was made for and a step has not is copied, too, and nobody looks at it.
    std::fill_n(step.here_.begin, layout.bytes(), std::byte{});
    CASC_TRY(step.stream_, make_stream());
    CASC_TRY(step.done_, make_event());
    return step;
}

Result<void> Step::run(std::span<const SequenceStep> sequences, StepOutput& output) {
    const auto began = Clock::now();
    waited_ = {};
    book_.check(sequences);
    for (const SequenceStep& sequence : sequences)
        CASC_TRY_VOID(prepare(sequence));
    const StepSize size = fill(sequences);
    ++counts_.steps;
    if (is_plain(size)) {
        CASC_TRY_VOID(launch_graph(bucket_of(size)));
    } else {
        CASC_TRY_VOID(launch(size));
        CASC_TRY_VOID(
            copy_back(size, wants(sequences, Wanted::logits), wants(sequences, Wanted::embedding)));
    }
    CASC_TRY_VOID(wait());
    give_out(sequences, size, output);
    counts_.host += Clock::now() - began - waited_;
    return {};
}

Result<void> Step::prepare(const SequenceStep& sequence) {
    const std::uint32_t outdated = book_.outdated(sequence);
    book_.enter(sequence);
    for (std::uint32_t first = 0; first < outdated; first += limits_.step_tokens_max) {
        const std::uint32_t last = std::min(outdated, first + limits_.step_tokens_max);
        tokens_.clear();
        book_.append_again(sequence.slot, first, last, tokens_);
        fill_tokens(tokens_);
        tiles_ = 0;
        fill_tiles(0, tokens_.size());
        *here_.counts() = {.tokens = last - first};
        CASC_TRY_VOID(launch({.tokens = last - first, .tiles = tiles_}));
        CASC_TRY_VOID(wait());  // before the slab is filled again
    }
    return {};
}

// ---- the slab -----------------------------------------------------------------------------------

StepSize Step::fill(std::span<const SequenceStep> sequences) {
    StepSize size;
    std::uint32_t longest = 0;
    tokens_.clear();
    tiles_ = 0;
    last_tokens_.assign(sequences.size(), 0);
    const auto append = [&](std::size_t i) {
        book_.append_new(sequences[i], tokens_);
        last_tokens_[i] = static_cast<std::uint32_t>(tokens_.size() - 1);
    };
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        if (sequences[i].tokens.size() > 1) continue;
        append(i);
        longest = std::max(longest, sequences[i].position + 1);
    }
    size.lone_tokens = static_cast<std::uint32_t>(tokens_.size());
    if (size.lone_tokens > 0) size.splits = transformer_.splits_for(longest);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        if (sequences[i].tokens.size() == 1) continue;
        const auto first = static_cast<std::uint32_t>(tokens_.size());
        append(i);
        fill_tiles(first, sequences[i].tokens.size());
    }
    fill_tokens(tokens_);
    size.tokens = static_cast<std::uint32_t>(tokens_.size());
    size.tiles = tiles_;
    rows_.assign(sequences.size(), 0);
    size.head_rows = fill_rows(sequences, true, 0);
    size.rows = fill_rows(sequences, false, size.head_rows);
    size.samples = wants(sequences, Wanted::token);
    *here_.counts() = {.tokens = size.tokens, .lone_tokens = size.lone_tokens, .rows = size.rows};
    return size;
}

void Step::fill_tokens(std::span<const NewToken> tokens) {
    std::ranges::transform(tokens, here_.tokens(), [](const NewToken& is) {
        return TokenParameters{is.token, is.slot, is.position, is.is_beyond ? 1u : 0u};
    });
}

void Step::fill_tiles(std::uint32_t first_token, std::size_t count) {
    for (std::size_t at = 0; at < count; at += PromptTile::kTokensMax)
        here_.tiles()[tiles_++] = {
            first_token + static_cast<std::uint32_t>(at),
            static_cast<std::uint32_t>(std::min<std::size_t>(PromptTile::kTokensMax, count - at))};
}

std::uint32_t Step::fill_rows(std::span<const SequenceStep> sequences, bool through_head,
                              std::uint32_t row) {
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        const SequenceStep& is = sequences[i];
        if (is.wanted == Wanted::nothing || goes_through_head(is.wanted) != through_head) continue;
        here_.rows()[row] = {.draw = is.draw,
                             .temperature = is.sampling.temperature,
                             .top_p = is.sampling.top_p,
                             .top_k = is.sampling.top_k,
                             .token = last_tokens_[i]};
        rows_[i] = row++;
    }
    return row;
}

// ---- the device ---------------------------------------------------------------------------------

bool Step::is_plain(const StepSize& size) const noexcept {
    return size.tiles == 0 && size.samples && size.head_rows == size.rows &&
           size.rows == size.tokens;
}

StepSize Step::bucket_of(const StepSize& size) const noexcept {
    const std::uint32_t sequences = Transformer::bucket_of(size.tokens);
    return {.tokens = sequences,
            .lone_tokens = sequences,
            .splits = size.splits,
            .rows = sequences,
            .head_rows = sequences,
            .samples = true};
}

Result<void> Step::launch(const StepSize& size) {
    const auto copy = [&](std::size_t from, std::size_t bytes) {
        return check(cudaMemcpyAsync(there_.begin + from, here_.begin + from, bytes,
                                     cudaMemcpyHostToDevice, stream_.get()),
                     "copy a step");
    };
    const SlabLayout& layout = here_.layout;
    CASC_TRY_VOID(copy(0, layout.tokens_at() + size.tokens * sizeof(TokenParameters)));
    if (size.tiles > 0) CASC_TRY_VOID(copy(layout.tiles_at(), size.tiles * sizeof(PromptTile)));
    return transformer_.launch(size, there_, stream_.get());
}

Result<void> Step::copy_back(const StepSize& size, bool logits, bool states) {
    const StepResults& results = transformer_.results();
    const auto copy = [&](void* to, const void* from, std::size_t bytes) {
        return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_.get()),
                     "copy the results of a step");
    };
    if (size.samples)
        CASC_TRY_VOID(
            copy(returned_.tokens, results.tokens, size.head_rows * sizeof(SampledToken)));
    if (logits)
        CASC_TRY_VOID(copy(returned_.logits, results.logits,
                           size.head_rows * head_rows(model_) * sizeof(float)));
    if (states)
        CASC_TRY_VOID(
            copy(returned_.states, results.states, size.rows * model_.hidden_size * sizeof(float)));
    return {};
}

Result<void> Step::launch_graph(const StepSize& bucket) {
    auto found = std::ranges::find(graphs_, bucket, &MadeGraph::size);
    if (found == graphs_.end()) {
        CASC_TRY(ReadyGraph graph, capture(bucket));
        graphs_.push_back({bucket, std::move(graph)});
        found = std::prev(graphs_.end());
        ++counts_.graphs;
    }
    ++counts_.graph_launches;
    ++counts_.launches;
    counts_.kernels += transformer_.kernel_count(bucket);
    return check(cudaGraphLaunch(found->graph.get(), stream_.get()), "launch a graph");
}

Result<ReadyGraph> Step::capture(const StepSize& bucket) {
    CASC_TRY_VOID(check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal),
                        "begin a graph"));
    const auto launched = [&]() -> Result<void> {
        CASC_TRY_VOID(launch(bucket));
        return copy_back(bucket, false, false);
    }();
    // In any case, or the stream takes nothing else.
    Graph graph;
    const auto ended = check(cudaStreamEndCapture(stream_.get(), graph.put()), "end a graph");
    CASC_TRY_VOID(launched);
    CASC_TRY_VOID(ended);
    ReadyGraph ready;
    CASC_TRY_VOID(check(cudaGraphInstantiate(ready.put(), graph.get(), 0), "make a graph ready"));
    return ready;
}

Result<void> Step::wait() {
    CASC_TRY_VOID(check(cudaEventRecord(done_.get(), stream_.get()), "note the end of a step"));
    const auto began = Clock::now();
    const auto done = check(cudaEventSynchronize(done_.get()), "compute a step");
    waited_ += Clock::now() - began;
    return done;
}

// ---- output -------------------------------------------------------------------------------------

void Step::give_out(std::span<const SequenceStep> sequences, const StepSize& size,
                    StepOutput& output) const {
    const std::size_t head = head_rows(model_);
    const std::size_t hidden = model_.hidden_size;
    const auto values_of = [&](Wanted wanted, std::uint32_t row) -> std::span<const float> {
        if (wanted == Wanted::logits) return {returned_.logits + row * head, head};
        if (wanted == Wanted::embedding) return {returned_.states + row * hidden, hidden};
        return {};
    };
    output.rows.assign(sequences.size(), {});
    output.memory.clear();
    output.memory.reserve(size.head_rows * head + (size.rows - size.head_rows) * hidden);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
        const Wanted wanted = sequences[i].wanted;
        StepOutput::Row& row = output.rows[i];
        if (wanted == Wanted::nothing) continue;
        if (wanted == Wanted::token) {
            row.token = returned_.tokens[rows_[i]].token;
            if (row.token == kNoToken) row.failed = ErrorCode::inference_failed;
            continue;
        }
        const auto values = values_of(wanted, rows_[i]);
        const std::size_t at = output.memory.size();
        output.memory.insert(output.memory.end(), values.begin(), values.end());
        const std::span<float> mine(output.memory.data() + at, values.size());
        if (wanted == Wanted::embedding) scale_to_length_1(mine);
        if (are_finite(mine)) {
            row.values = mine;
        } else {
            row.failed = ErrorCode::inference_failed;
        }
    }
}

}  // namespace casc::gpu::cuda
