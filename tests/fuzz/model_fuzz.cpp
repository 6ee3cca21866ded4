// model_fuzz.cpp: the file of a model from strangers.
//
// Input: a safetensors file. It is refused, or its tensors are all that is behind its header, each
// with the bytes that its shape asks for.

#include "fuzz_target.hpp"

#include <casc/gpu/safetensors.hpp>

#include <cstring>

namespace {

std::size_t bytes_of_shape(const casc::gpu::Tensor& tensor) {
    std::size_t bytes = casc::gpu::element_bytes(tensor.type);
    for (const std::uint64_t dimension : tensor.shape)
        CASC_ASSERT(!__builtin_mul_overflow(bytes, dimension, &bytes), tensor.description());
    return bytes;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace casc;
    const auto file = fuzz::as_bytes(data, size);
    const auto tensors = gpu::read_safetensors(file);
    if (!tensors) {
        CASC_ASSERT(tensors.error().code == ErrorCode::model_unusable, tensors.error().message());
        return 0;
    }
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, data, sizeof header_bytes);
    const auto behind_header = file.subspan(sizeof header_bytes + header_bytes);
    std::size_t bytes = 0;
    for (const gpu::Tensor& tensor : *tensors) {
        fuzz::touch(tensor.bytes);
        CASC_ASSERT(bytes_of_shape(tensor) == tensor.bytes.size(), tensor.description());
        CASC_ASSERT(tensor.bytes.data() >= behind_header.data(), tensor.description());
        bytes += tensor.bytes.size();
    }
    CASC_ASSERT(bytes == behind_header.size(), bytes);
    return 0;
}
