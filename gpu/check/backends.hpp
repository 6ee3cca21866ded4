#pragma once
// The backends that this machine can check and measure. Needs nothing but casc::gpu, so that it
// builds on a machine with a compiler and no packages.

#include <casc/gpu/backend.hpp>
#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/model_weights.hpp>
#include <casc/types/result.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace casc::gpu {

// Without the model or the backend there is nothing to be done.
[[noreturn]] inline void give_up(const Error& why) {
    std::fprintf(stderr, "%s\n", why.message().c_str());
    std::exit(1);
}
template <class T>
T need(Result<T> result) {
    if (!result) give_up(result.error());
    return *std::move(result);
}

struct BackendSize {
    std::uint32_t slot_count = 1;
    std::uint32_t context_tokens = 0;  // 0: all that the model can
};

struct BackendKind {
    std::string name;
    std::function<Result<std::unique_ptr<Backend>>(ModelWeights, const BackendSize&)> make;
};

inline Result<std::unique_ptr<Backend>> make_cpu_backend(ModelWeights weights,
                                                         const BackendSize& size,
                                                         bool is_portable = false) {
    CpuOptions options;
    options.slot_count = size.slot_count;
    options.context_tokens = size.context_tokens;
    options.is_portable = is_portable;
    CASC_TRY(auto backend, CpuBackend::make(std::move(weights), options));
    return std::unique_ptr<Backend>(std::move(backend));
}

inline std::vector<BackendKind> backend_kinds() {
    return {{"cpu", [](ModelWeights weights, const BackendSize& size) {
                 return make_cpu_backend(std::move(weights), size);
             }}};
}

}  // namespace casc::gpu
