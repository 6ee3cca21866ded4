// Models on the processor: that they come to what was computed in another way (make_models.py), and
// that it does not matter in which company.

#include "large_stacks.hpp"
#include "model_fixture.hpp"
#include "rounds.hpp"

#include <cmath>
#include <random>

using namespace casc;
using namespace casc::gpu;

namespace {

std::vector<std::string> generating_models() {
    static const std::vector<std::string> all = {
        "llama",         "llama-grouped-tied", "llama-odd",      "llama-linear", "llama-llama3",
        "llama-sharded", "llama-steep",        "mistral-window", "phi3",         "phi3-longrope"};
    std::vector<std::string> some;
    for (std::size_t i = 0; i < all.size(); i += test::kFourthUnderTsan)
        some.push_back(all[i]);
    return some;
}

// Sums of some hundred products in 32 bits, and numbers up to 7, or 33 where the head is tied: one
// unit in the last place of the largest is 4e-6.
constexpr float kLogitTolerance = 1e-4f;

// Those that differ, and those that are no numbers.
std::size_t count_off(const Numbers& a, const Numbers& b) {
    REQUIRE(a.size() == b.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        count += !(std::abs(a[i] - b[i]) <= kLogitTolerance);
    return count;
}

Tokens part_of(const Tokens& tokens, std::size_t first, std::size_t count) {
    return {tokens.begin() + static_cast<std::ptrdiff_t>(first),
            tokens.begin() + static_cast<std::ptrdiff_t>(first + count)};
}

// The logits behind the first and each further token of a text that begins with `prompt_count`.
std::vector<Numbers> logits_alone(Backend& backend, const Tokens& text, std::size_t prompt_count,
                                  SlotId slot = 0) {
    std::vector<Numbers> logits;
    logits.push_back(values_of(backend, slot, 0, part_of(text, 0, prompt_count)));
    for (std::size_t at = prompt_count; at < text.size(); ++at)
        logits.push_back(values_of(backend, slot, at, std::span(text).subspan(at, 1)));
    return logits;
}

// One that computes its text in pieces, and begins when it is told to.
struct Rider {
    Tokens text;
    std::size_t joins = 0;  // the step
    std::size_t piece = 1;  // of its prompt, tokens
    std::size_t prompt_count = 1;
    std::size_t done = 0;
    std::vector<Numbers> logits{};

    [[nodiscard]] std::size_t next_count() const {
        return done < prompt_count ? std::min(piece, prompt_count - done) : 1;
    }
};

// All of them, each in the slot of its number, until everybody is through.
void ride(Backend& backend, std::vector<Rider>& riders) {
    StepOutput output;
    for (std::size_t number = 0, left = riders.size(); left > 0; ++number) {
        std::vector<SequenceStep> steps;
        std::vector<Rider*> aboard;
        for (std::size_t i = 0; i < riders.size(); ++i) {
            Rider& rider = riders[i];
            if (rider.joins > number || rider.done == rider.text.size()) continue;
            const std::size_t count = rider.next_count();
            const bool is_shown = rider.done + count >= rider.prompt_count;
            steps.push_back({.slot = static_cast<SlotId>(i),
                             .position = static_cast<std::uint32_t>(rider.done),
                             .tokens = std::span(rider.text).subspan(rider.done, count),
                             .wanted = is_shown ? Wanted::logits : Wanted::nothing});
            aboard.push_back(&rider);
            rider.done += count;
        }
        REQUIRE(backend.step(steps, output));
        for (std::size_t i = 0; i < aboard.size(); ++i) {
            const auto values = output.rows[i].values;
            CHECK(values.empty() == (steps[i].wanted == Wanted::nothing));
            CHECK_FALSE(output.rows[i].failed);
            if (!values.empty()) aboard[i]->logits.emplace_back(values.begin(), values.end());
            left -= aboard[i]->done == aboard[i]->text.size();
        }
    }
}

}  // namespace

TEST_CASE("gpu/cpu_backend: logits and embeddings are those of a computation in 64 bits") {
    for (const bool is_portable : {false, true})
        for (const std::string& name : generating_models()) {
            CAPTURE(name);
            const ModelReference reference(name);
            const Tokens text = reference.tokens("tokens");
            const auto backend = backend_of_model(name, {.threads = 2, .is_portable = is_portable});
            const auto logits = reference.rows("logits");
            const auto embeddings = reference.rows("embeddings");
            for (std::size_t i = 0; i < text.size(); i += 3) {
                CAPTURE(i);
                const Tokens prefix = part_of(text, 0, i + 1);
                CHECK(count_off(values_of(*backend, 0, 0, prefix), logits[i]) == 0);
                CHECK(count_off(values_of(*backend, 0, 0, prefix, Wanted::embedding),
                                embeddings[i]) == 0);
            }
        }
}

TEST_CASE("gpu/cpu_backend: token by token it comes to the same as whole texts, to the bit") {
    for (const std::string& name : generating_models()) {
        CAPTURE(name);
        const ModelReference reference(name);
        const Tokens text = reference.tokens("tokens");
        const auto backend = backend_of_model(name, {.threads = 2, .step_tokens_max = 40});
        const auto logits = logits_alone(*backend, text, 1);
        for (std::size_t i = 0; i < text.size(); ++i) {
            CAPTURE(i);
            CHECK(count_off(logits[i], reference.rows("logits")[i]) == 0);
            CHECK(values_of(*backend, 0, 0, part_of(text, 0, i + 1)) == logits[i]);
        }
    }
}

TEST_CASE("gpu/cpu_backend: a prompt in pieces is the same prompt") {
    for (const std::string& name : generating_models()) {
        CAPTURE(name);
        const Tokens text = ModelReference(name).tokens("tokens");
        const auto backend = backend_of_model(name);
        const Numbers whole = values_of(*backend, 0, 0, text);
        for (const std::size_t piece : {1, 3, 8, 13, 39}) {
            CAPTURE(piece);
            Numbers logits;
            for (std::size_t at = 0; at < text.size(); at += piece)
                logits = values_of(*backend, 0, at,
                                   part_of(text, at, std::min(piece, text.size() - at)));
            CHECK(logits == whole);
        }
    }
}

TEST_CASE("gpu/cpu_backend: the most likely tokens are the reference's, alone and among others") {
    for (const std::string& name : generating_models()) {
        CAPTURE(name);
        const ModelReference reference(name);
        const Tokens prompt = reference.tokens("prompt");
        const Tokens wanted = reference.tokens("greedy");
        const auto backend = backend_of_model(name, {.slot_count = 32, .step_tokens_max = 300});
        for (const SlotId riders : {1u, 32u}) {
            std::vector<Tokens> texts(riders, prompt);
            std::vector<TokenId> last(riders);
            StepOutput output;
            for (std::size_t i = 0; i < wanted.size(); ++i) {
                std::vector<SequenceStep> steps;
                for (SlotId slot = 0; slot < riders; ++slot) {
                    const std::size_t at = i == 0 ? 0 : texts[slot].size() - 1;
                    steps.push_back({.slot = slot,
                                     .position = static_cast<std::uint32_t>(at),
                                     .tokens = std::span(texts[slot]).subspan(at),
                                     .wanted = Wanted::token});
                }
                REQUIRE(backend->step(steps, output));
                for (SlotId slot = 0; slot < riders; ++slot) {
                    CHECK(output.rows[slot].token == wanted[i]);
                    CHECK(output.rows[slot].values.empty());
                    texts[slot].push_back(output.rows[slot].token);
                }
            }
        }
    }
}

TEST_CASE("gpu/cpu_backend: alone or with 31 others that come and go, the numbers are the same") {
    std::mt19937 random(32);
    for (const std::string& name : generating_models())
        for (const bool is_portable : {false, true}) {
            CAPTURE(name);
            std::vector<Rider> riders;
            for (std::size_t i = 0; i < 32; ++i) {
                const std::size_t prompt = 1 + random() % 20;
                riders.push_back({.text = random_text(prompt + random() % 20, random),
                                  .joins = random() % 12,
                                  .piece = 1 + random() % 20,
                                  .prompt_count = prompt});
            }
            const CpuOptions options{.threads = 2, .slot_count = 32, .is_portable = is_portable};
            ride(*backend_of_model(name, options), riders);
            const auto alone = backend_of_model(name, {.threads = 1, .is_portable = is_portable});
            for (const Rider& rider : riders)
                CHECK(rider.logits == logits_alone(*alone, rider.text, rider.prompt_count));
        }
}

TEST_CASE("gpu/cpu_backend: a slot is used again, from the beginning or from further in front") {
    for (const char* name : {"llama", "mistral-window", "phi3-longrope"}) {
        CAPTURE(name);
        const auto backend = backend_of_model(name, {.slot_count = 2, .step_tokens_max = 48});
        std::mt19937 random(2);
        const Tokens first = random_text(40, random);
        Tokens second = random_text(40, random);
        const auto logits = logits_alone(*backend, second, 7, 1);
        logits_alone(*backend, first, 30, 0);
        CHECK(logits_alone(*backend, second, 7, 0) == logits);
        // Another end to the same beginning.
        std::copy_n(first.begin(), 12, second.begin());
        values_of(*backend, 0, 0, first);
        CHECK(values_of(*backend, 0, 12, part_of(second, 12, 3)) ==
              values_of(*backend, 1, 0, part_of(second, 0, 15)));
        CHECK(values_of(*backend, 0, 15, part_of(second, 15, 25)) ==
              values_of(*backend, 1, 0, second));
    }
}

TEST_CASE("gpu/cpu_backend: longrope goes beyond its context in small steps, too") {
    const Tokens text = ModelReference("phi3-longrope").tokens("tokens");
    const auto logits = ModelReference("phi3-longrope").rows("logits");
    // What is computed again takes several steps' worth of tokens.
    const auto backend = backend_of_model("phi3-longrope", {.step_tokens_max = 3});
    for (std::size_t i = 0; i < text.size(); ++i)
        CHECK(count_off(values_of(*backend, 0, i, std::span(text).subspan(i, 1)), logits[i]) == 0);
}

TEST_CASE("gpu/cpu_backend: a classifier gives a number for each of its classes") {
    const ModelReference reference("classifier");
    const Tokens text = reference.tokens("tokens");
    const auto backend = backend_of_model("classifier", {.slot_count = 3});
    CHECK(backend->model().labels == std::vector<std::string>{"ham", "spam", "unsure"});
    for (std::size_t i = 0; i < text.size(); ++i) {
        const Numbers labels = values_of(*backend, 2, 0, part_of(text, 0, i + 1));
        CHECK(labels.size() == 3);
        CHECK(count_off(labels, reference.rows("logits")[i]) == 0);
    }
}

TEST_CASE("gpu/cpu_backend: everybody gets what he wants of one step") {
    const auto backend = backend_of_model("llama", {.slot_count = 5});
    const Tokens text = ModelReference("llama").tokens("tokens");
    const std::vector<Wanted> wanted = {Wanted::embedding, Wanted::logits, Wanted::nothing,
                                        Wanted::token, Wanted::embedding};
    std::vector<SequenceStep> steps;
    for (SlotId slot = 0; slot < 5; ++slot)
        steps.push_back(
            {.slot = slot, .tokens = std::span(text).first(slot + 2), .wanted = wanted[slot]});
    StepOutput output;
    REQUIRE(backend->step(steps, output));
    const auto numbers = [&](std::size_t row) {
        return Numbers(output.rows[row].values.begin(), output.rows[row].values.end());
    };
    const std::vector<Numbers> given{numbers(0), numbers(1), numbers(2), numbers(3), numbers(4)};
    const TokenId token = output.rows[3].token;
    CHECK(given[0] == values_of(*backend, 0, 0, part_of(text, 0, 2), Wanted::embedding));
    CHECK(given[1] == values_of(*backend, 0, 0, part_of(text, 0, 3)));
    CHECK(given[2].empty());
    CHECK(given[4] == values_of(*backend, 0, 0, part_of(text, 0, 6), Wanted::embedding));
    const Numbers logits = values_of(*backend, 0, 0, part_of(text, 0, 5));
    CHECK(token == static_cast<TokenId>(std::ranges::max_element(logits) - logits.begin()));
}

TEST_CASE("gpu/cpu_backend: numbers that are none fail their sequence, and no other") {
    const auto backend = backend_of_model("llama", {.slot_count = 3});
    check_poison_stays(*backend, part_of(ModelReference("llama").tokens("tokens"), 0, 9));
}

TEST_CASE("gpu/cpu_backend: a model that nobody has written fails its case, and the others go on" *
          doctest::should_fail()) {
    const ModelReference reference("there is none");
}

TEST_CASE("gpu/cpu_backend: a model that does not fit is refused with what it needs") {
    const auto trouble = [](const CpuOptions& options) {
        const auto backend = CpuBackend::make(weights_of_model("llama"), options);
        REQUIRE_FALSE(backend);
        CHECK(backend.error().code == ErrorCode::model_too_large);
        return backend.error().detail;
    };
    const std::string why = trouble({.threads = 1, .slot_count = 64, .memory_max_bytes = 1u << 20});
    CHECK(why.find("of weights, 4 for keys and values (slot_count 64, context_tokens 64), ") !=
          std::string::npos);
    CHECK(why.ends_with("; 1 MiB are allowed"));
    constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
    CHECK(trouble({.slot_count = kMost, .memory_max_bytes = 1ull << 40}) != "");
    CHECK(trouble({.step_tokens_max = kMost, .memory_max_bytes = 1ull << 40}) != "");
    CHECK(trouble({.memory_max_bytes = 0}) != "");
    CHECK(
        CpuBackend::make(weights_of_model("llama"), {.threads = 1, .memory_max_bytes = 4u << 20}));
}

TEST_CASE(
    "gpu/cpu_backend: what the machine has not available is refused, if nothing else is said") {
    // 4 TiB of keys and values, which Linux would promise.
    const auto backend = CpuBackend::make(weights_of_model("llama"), {.slot_count = 1u << 26});
    REQUIRE_FALSE(backend);
    CHECK(backend.error().code == ErrorCode::model_too_large);
    CHECK(backend.error().detail.ends_with(" MiB are available"));
}

TEST_CASE("gpu/cpu_backend: a thread that cannot be started is an error and not the end" *
          doctest::skip(kIsSanitized)) {
    const LargeStacks stacks;
    const auto backend = CpuBackend::make(weights_of_model("llama"), {.threads = 16});
    REQUIRE_FALSE(backend);
    CHECK(backend.error().code == ErrorCode::device_failed);
    CHECK(backend.error().detail.starts_with("one of its 16 threads cannot be started: "));
}

TEST_CASE("gpu/cpu_backend: options that make no sense are refused") {
    const auto code = [](const CpuOptions& options) {
        const auto backend = CpuBackend::make(weights_of_model("llama"), options);
        return backend ? ErrorCode::ok : backend.error().code;
    };
    CHECK(code({}) == ErrorCode::ok);
    CHECK(code({.slot_count = 0}) == ErrorCode::invalid_config);
    CHECK(code({.step_tokens_max = 0}) == ErrorCode::invalid_config);
    CHECK(code({.context_tokens = 65}) == ErrorCode::invalid_config);
    CHECK(code({.threads = 100'000}) == ErrorCode::invalid_config);
    const auto backend = backend_of_model("llama", {.slot_count = 3, .context_tokens = 20});
    CHECK(backend->limits().slot_count == 3);
    CHECK(backend->limits().context_tokens == 20);
    CHECK(backend_of_model("llama")->limits().context_tokens == 64);
    CHECK(backend->name() == "cpu");
    CHECK(backend_of_model("llama", {.is_portable = true})->kernels() == "portable");
}
