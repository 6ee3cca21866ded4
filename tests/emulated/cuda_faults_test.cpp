// The CUDA backend when CUDA fails, and when it is asked for what it has not.

#include "cuda_fixture.hpp"

using namespace casc;
using namespace casc::gpu;

TEST_CASE("emulated/cuda_faults: whatever call fails, making it fails and leaves nothing behind") {
    emulated_cuda::reset();
    const auto before = emulated_cuda::counts();
    std::uint64_t failed = 0;
    for (std::uint64_t at = 0;; ++at) {
        CAPTURE(at);
        emulated_cuda::reset();
        emulated_cuda::fail_after(at, cudaErrorIllegalAddress, at % 2 == 1);
        const auto backend = CudaBackend::make(
            weights_of_model("llama"), {.slot_count = 3, .step_tokens_max = 16, .tunes = false});
        emulated_cuda::reset();
        if (backend) break;
        ++failed;
        const ErrorCode code = backend.error().code;
        CHECK((code == ErrorCode::device_failed || code == ErrorCode::model_too_large));
        CHECK(emulated_cuda::counts().allocations == before.allocations);
        CHECK(emulated_cuda::counts().handles == before.handles);
    }
    CHECK(failed > 50);
    CHECK(emulated_cuda::counts().allocations == before.allocations);
    CHECK(emulated_cuda::counts().handles == before.handles);
}

TEST_CASE("emulated/cuda_faults: whatever call fails, the step fails and the next one does not") {
    const Tokens text = ModelReference("llama").tokens("tokens");
    const auto backend = cuda_of_model("llama", {.slot_count = 3});
    const Numbers wanted = values_of(*backend, 0, 0, text);
    const std::vector<Tokens> texts(3, Tokens{text.begin(), text.begin() + 5});
    put_prompts(*backend, texts);
    const Tokens next = next_tokens(*cuda_of_model("llama", {.slot_count = 3}),
                                    std::vector<Tokens>(3, Tokens{text[0]}));
    // A prompt, and a step of a graph that is yet to be made.
    for (const bool is_graph : {false, true}) {
        const auto fresh = cuda_of_model("llama", {.slot_count = 3});
        std::uint64_t failed = 0;
        for (std::uint64_t at = 0;; ++at) {
            CAPTURE(at);
            emulated_cuda::fail_after(at, cudaErrorIllegalAddress, false);
            StepOutput output;
            std::vector<SequenceStep> steps;
            for (SlotId slot = 0; slot < 3; ++slot)
                steps.push_back({.slot = slot,
                                 .tokens = std::span(text).first(is_graph ? 1 : text.size()),
                                 .wanted = is_graph ? Wanted::token : Wanted::logits});
            const auto done = fresh->step(steps, output);
            emulated_cuda::stop_failing();
            if (done) break;
            ++failed;
            CHECK(done.error().code == ErrorCode::device_failed);
            if (at % 7 == 0) CHECK(farthest(values_of(*fresh, 0, 0, text), wanted) < 1e-6f);
        }
        CHECK(failed > 20);
        if (is_graph) CHECK(next_tokens(*fresh, std::vector<Tokens>(3, Tokens{text[0]})) == next);
    }
}

TEST_CASE("emulated/cuda_faults: a device that is lost fails every step, and is destroyed") {
    const Tokens text = ModelReference("llama").tokens("tokens");
    auto backend = cuda_of_model("llama");
    emulated_cuda::fail_after(0, cudaErrorIllegalAddress, true);
    for (int i = 0; i < 3; ++i) {
        StepOutput output;
        const SequenceStep step{.tokens = text, .wanted = Wanted::logits};
        const auto done = backend->step({&step, 1}, output);
        REQUIRE_FALSE(done);
        CHECK(done.error().code == ErrorCode::device_failed);
        CHECK(error_info(done.error().code).retryable);
        CHECK(done.error().detail.find("illegal memory access") != std::string::npos);
    }
    backend.reset();
    emulated_cuda::reset();
}

TEST_CASE("emulated/cuda_faults: a model that does not fit is refused, and another one is loaded") {
    emulated_cuda::reset(64u << 20);
    const auto large = CudaBackend::make(weights_of_model("llama"), {.slot_count = 1000});
    REQUIRE_FALSE(large);
    CHECK(large.error().code == ErrorCode::model_too_large);
    CHECK(large.error().detail.find("of the device's 64 MiB are free") != std::string::npos);
    const auto small = CudaBackend::make(weights_of_model("llama"), {});
    REQUIRE_MESSAGE(small.has_value(), (small ? std::string() : small.error().message()));
    const auto allowed =
        CudaBackend::make(weights_of_model("llama"), {.memory_max_bytes = 1u << 20});
    REQUIRE_FALSE(allowed);
    CHECK(allowed.error().detail.ends_with("; 1 MiB are allowed"));
    emulated_cuda::reset();
}

TEST_CASE("emulated/cuda_faults: memory is left for what else comes to the device") {
    emulated_cuda::reset();
    const CudaOptions options{.slot_count = 1000, .tunes = false};
    CudaOptions refused = options;
    refused.memory_max_bytes = 1;
    const auto why = CudaBackend::make(weights_of_model("llama"), refused).error().detail;
    const std::size_t mib = std::stoull(why.substr(why.find_first_of("0123456789")));
    REQUIRE(mib > 64);  // of which a 32nd is kept
    emulated_cuda::reset((mib + 1) << 20);
    const auto backend = CudaBackend::make(weights_of_model("llama"), options);
    REQUIRE_FALSE(backend);
    CHECK(backend.error().code == ErrorCode::model_too_large);
    CHECK(backend.error().detail.find("are for its kernels") != std::string::npos);
    emulated_cuda::reset((mib + mib / 24 + 1) << 20);
    CHECK(CudaBackend::make(weights_of_model("llama"), options));
    emulated_cuda::reset();
}

TEST_CASE(
    "emulated/cuda_faults: what the kernels do not have is refused and not computed wrongly") {
    emulated_cuda::reset();
    const auto code_of = [](const std::string& name, const CudaOptions& options) {
        const auto backend = CudaBackend::make(weights_of_model(name), options);
        return backend ? ErrorCode::ok : backend.error().code;
    };
    CHECK(code_of("llama-odd", {}) == ErrorCode::not_supported);  // heads of 10
    CHECK(code_of("llama", {.device = 1}) == ErrorCode::invalid_config);
    CHECK(code_of("llama", {.slot_count = 0}) == ErrorCode::invalid_config);
    CHECK(code_of("llama", {.slot_count = 65'536}) == ErrorCode::invalid_config);
    CHECK(code_of("llama", {.slot_count = 65'500}) == ErrorCode::invalid_config);  // to 65 536
    CHECK(code_of("llama", {.step_tokens_max = 65'536}) == ErrorCode::invalid_config);
    CHECK(CudaBackend::measure_bandwidth(1).error().code == ErrorCode::invalid_config);
    CHECK(CudaBackend::measure_products(1, ElementType::bf16).error().code ==
          ErrorCode::invalid_config);
    CHECK(CudaBackend::measure_products(0, ElementType::i8).error().code ==
          ErrorCode::not_supported);
    CHECK(code_of("llama", {.context_tokens = 1u << 20}) == ErrorCode::invalid_config);
    emulated_cuda::set_capability(7, 5);
    CHECK(code_of("llama", {}) == ErrorCode::not_supported);
    CHECK_FALSE(CudaBackend::can_compute(weights_of_model("llama"), 0));
    emulated_cuda::reset();
    CHECK(CudaBackend::can_compute(weights_of_model("llama"), 0));
    CHECK_FALSE(CudaBackend::can_compute(weights_of_model("llama"), 1));
    CHECK_FALSE(CudaBackend::can_compute(weights_of_model("llama"), -1));
    CHECK_FALSE(CudaBackend::can_compute(weights_of_model("llama-odd"), 0));
    emulated_cuda::set_device_count(0);
    CHECK(code_of("llama", {}) == ErrorCode::device_failed);
    CHECK(CudaBackend::device_count() == 0);
    emulated_cuda::reset();
    CHECK(CudaBackend::device_count() == 1);
}
