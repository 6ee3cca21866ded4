#include "cuda/step.hpp"

#include "row_values.hpp"

#include <algorithm>
#include <chrono>

namespace casc::gpu::cuda {
namespace {

using Clock = std::chrono::steady_clock;

// Of several numbers of sequences and lengths; the oldest goes.
constexpr std::size_t kGraphsMax = 64;

SlabLayout layout_of(const BackendLimits& limits) {
    return {.rows_max = limits.slot_count,
            // A graph copies as many as it was made for.
            .tokens_max = std::max<std::size_t>(limits.step_tokens_max,
                                                Transformer::bucket_of(limits.slot_count))};
}

std::size_t pinned_bytes(const BackendLimits& limits) {
    return PinnedMemory::bytes_of<std::byte>(layout_of(limits).bytes()) +
           PinnedMemory::bytes_of<SampledToken>(Transformer::bucket_of(limits.slot_count));
}

bool has(std::span<const Wanted> all, Wanted wanted) {
    return std::ranges::find(all, wanted) != all.end();
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
    wanted_.reserve(limits.slot_count);
}

Result<Step> Step::make(const ModelConfig& model, const BackendLimits& limits, const Rope& rope,
                        Transformer& transformer, DeviceMemory& memory) {
    Step step(model, limits, rope, transformer);
    const SlabLayout layout = layout_of(limits);
    CASC_TRY(step.pinned_, make_pinned_memory(pinned_bytes(limits)));
    step.here_ = {step.pinned_.take<std::byte>(layout.bytes()), layout};
    step.there_ = {memory.take<std::byte>(layout.bytes()), layout};
    step.sampled_ = step.pinned_.take<SampledToken>(Transformer::bucket_of(limits.slot_count));
    // What a graph was made for and a step has not is copied, too, and nobody looks at it.
    std::fill_n(step.here_.begin, layout.bytes(), std::byte{});
    CASC_TRY(step.stream_, make_stream());
    CASC_TRY(step.done_, make_event());
    return step;
}

Step::~Step() {
    // What is on its way uses all of this.
    if (stream_.get() != nullptr) static_cast<void>(cudaStreamSynchronize(stream_.get()));
}

// Launches everything once, for nobody: what the device loads when it first needs it is loaded
// then, and not in the middle of a graph that is being made.
Result<void> Step::warm_up() {
    std::fill_n(here_.begin, here_.layout.bytes(), std::byte{});
    CASC_TRY_VOID(transformer_.prepare(stream()));
    // Of one token there are no tiles.
    const std::uint32_t tokens = std::min(2u, limits_.step_tokens_max);
    CASC_TRY_VOID(launch_size({.tokens = tokens,
                               .lone_tokens = 1,
                               .splits = 1,
                               .tiles = tokens - 1,
                               .rows = 1,
                               .head_rows = 1,
                               .samples = true}));
    CASC_TRY_VOID(note_end());
    return wait();
}

Result<void> Step::launch(std::span<const SequenceStep> sequences, StepOutput& output) {
    const auto began = Clock::now();
    waited_ = {};
    book_.check(sequences);
    ++counts_.steps;
    auto begun = begin(sequences, output);
    if (!begun) recover();
    counts_.host += Clock::now() - began - waited_;
    return begun;
}

Result<void> Step::finish() {
    const auto began = Clock::now();
    waited_ = {};
    auto done = wait();
    if (done) done = fetch_values();
    if (done) {
        give_out(*output_);
    } else {
        recover();
    }
    counts_.host += Clock::now() - began - waited_;
    return done;
}

// What was put on the stream before the failure reads the slab, which is filled anew next time.
void Step::recover() noexcept {
    static_cast<void>(cudaStreamSynchronize(stream_.get()));
    static_cast<void>(cudaGetLastError());
}

Result<void> Step::begin(std::span<const SequenceStep> sequences, StepOutput& output) {
    for (const SequenceStep& sequence : sequences)
        CASC_TRY_VOID(prepare(sequence));
    wanted_.clear();
    for (const SequenceStep& sequence : sequences)
        wanted_.push_back(sequence.wanted);
    const StepSize size = fill(sequences);
    output_ = &output;
    output.memory.clear();
    if (is_plain(size)) {
        CASC_TRY_VOID(launch_graph(bucket_of(size)));
    } else {
        CASC_TRY_VOID(launch_size(size));
        note_launches(transformer_.kernel_count(size));
        CASC_TRY_VOID(copy_tokens(size));
    }
    size_ = size;
    return note_end();
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
        const StepSize size{.tokens = last - first, .tiles = tiles_};
        CASC_TRY_VOID(launch_size(size));
        note_launches(transformer_.kernel_count(size));
        CASC_TRY_VOID(note_end());
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
    size.samples = has(wanted_, Wanted::token);
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
    const auto wants_token = [](Wanted wanted) { return wanted == Wanted::token; };
    return size.tiles == 0 && std::ranges::all_of(wanted_, wants_token);
}

void Step::note_launches(std::uint64_t kernels) noexcept {
    counts_.launches += kernels;
    counts_.kernels += kernels;
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

Result<void> Step::launch_size(const StepSize& size) {
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

Result<void> Step::copy_back(void* to, const void* from, std::size_t bytes) {
    return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_.get()),
                 "copy the results of a step");
}

Result<void> Step::copy_tokens(const StepSize& size) {
    if (!size.samples) return {};
    return copy_back(sampled_, transformer_.results().tokens,
                     size.head_rows * sizeof(SampledToken));
}

// To where they are handed out, which is no pinned memory: few want them, and they may be large. So
// when they are there, since such a copy is waited for where it is asked for. Logits of all rows
// that go through the head, or nobody's; states behind them, of all or nobody.
Result<void> Step::fetch_values() {
    const StepResults& results = transformer_.results();
    const std::size_t logits =
        has(wanted_, Wanted::logits) ? size_.head_rows * head_rows(model_) : 0;
    const std::size_t states =
        has(wanted_, Wanted::embedding) ? size_.rows * model_.hidden_size : 0;
    std::vector<float>& memory = output_->memory;
    memory.resize(logits + states);
    states_at_ = logits;
    if (logits > 0) CASC_TRY_VOID(copy_back(memory.data(), results.logits, logits * sizeof(float)));
    if (states > 0)
        CASC_TRY_VOID(copy_back(memory.data() + logits, results.states, states * sizeof(float)));
    if (memory.empty()) return {};
    CASC_TRY_VOID(note_end());
    return wait();
}

Result<void> Step::launch_graph(const StepSize& bucket) {
    auto found = std::ranges::find(graphs_, bucket, &MadeGraph::size);
    if (found == graphs_.end()) {
        CASC_TRY(ReadyGraph graph, capture(bucket));
        if (graphs_.size() == kGraphsMax) graphs_.erase(graphs_.begin());
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
        CASC_TRY_VOID(launch_size(bucket));
        return copy_tokens(bucket);
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

Result<void> Step::note_end() {
    return check(cudaEventRecord(done_.get(), stream_.get()), "note the end of a step");
}

Result<void> Step::wait() {
    const auto began = Clock::now();
    const auto done = check(cudaEventSynchronize(done_.get()), "compute a step");
    waited_ += Clock::now() - began;
    return done;
}

// ---- output -------------------------------------------------------------------------------------

void Step::give_out(StepOutput& output) const {
    const std::size_t head = head_rows(model_);
    const std::size_t hidden = model_.hidden_size;
    output.rows.assign(wanted_.size(), {});
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
        StepOutput::Row& row = output.rows[i];
        switch (wanted_[i]) {
            case Wanted::nothing:
                break;
            case Wanted::token:
                row.token = sampled_[rows_[i]].token;
                if (row.token == kNoToken) row.failed = ErrorCode::inference_failed;
                break;
            case Wanted::logits:
                finish_row(std::span(output.memory).subspan(rows_[i] * head, head), row);
                break;
            case Wanted::embedding: {
                const auto values =
                    std::span(output.memory).subspan(states_at_ + rows_[i] * hidden, hidden);
                scale_to_length_1(values);
                finish_row(values, row);
                break;
            }
        }
    }
}

void Step::finish_row(std::span<const float> values, StepOutput::Row& row) {
    if (are_finite(values)) {
        row.values = values;
    } else {
        row.failed = ErrorCode::inference_failed;
    }
}

}  // namespace casc::gpu::cuda
