#include "cuda/cublas_lt.hpp"

#include <dlfcn.h>
#include <string>

namespace casc::gpu::cuda {
namespace {

// Where the system looks for libraries, or where the toolkit was that this was built with.
void* open_library(std::string& why) {
    const std::string name = "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR);
    for (const std::string& path : {name, CASC_CUDA_LIBRARIES "/" + name}) {
        if (void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
        why += (why.empty() ? "" : "; ") + std::string(::dlerror());
    }
    return nullptr;
}

struct Loaded {
    CublasLt functions;
    std::string why_not;

    template <class Function>
    void find(void* library, const char* name, Function& function) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        if (function == nullptr && why_not.empty()) why_not = std::string("it has no ") + name;
    }
    Loaded() {
        void* const library = open_library(why_not);
        if (library == nullptr) return;
        why_not.clear();
        find(library, "cublasLtCreate", functions.create);
        find(library, "cublasLtDestroy", functions.destroy);
        find(library, "cublasLtGetStatusString", functions.status_text);
        find(library, "cublasLtMatmulDescCreate", functions.make_operation);
        find(library, "cublasLtMatmulDescDestroy", functions.destroy_operation);
        find(library, "cublasLtMatmulDescSetAttribute", functions.set_operation);
        find(library, "cublasLtMatrixLayoutCreate", functions.make_layout);
        find(library, "cublasLtMatrixLayoutDestroy", functions.destroy_layout);
        find(library, "cublasLtMatmulPreferenceCreate", functions.make_preference);
        find(library, "cublasLtMatmulPreferenceDestroy", functions.destroy_preference);
        find(library, "cublasLtMatmulPreferenceSetAttribute", functions.set_preference);
        find(library, "cublasLtMatmulAlgoGetHeuristic", functions.propose);
        find(library, "cublasLtMatmul", functions.multiply);
    }
};

}  // namespace

Result<const CublasLt*> load_cublas_lt() {
    static const Loaded loaded;
    if (!loaded.why_not.empty())
        return Error(ErrorCode::device_failed, "cuBLASLt cannot be loaded: " + loaded.why_not);
    return &loaded.functions;
}

}  // namespace casc::gpu::cuda
