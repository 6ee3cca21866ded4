#pragma once
// casc/gpu/safetensors.hpp: files of tensors, as Hugging Face publishes models.
//
//   u64 (little-endian): length of the header │ header: JSON │ the numbers of all tensors
//   {"__metadata__": {…}, "model.norm.weight": {"dtype": "BF16", "shape": [3072], "data_offsets":
//   [0, 6144]}, …}
//
// Offsets count from the end of the header. The format: huggingface.co/docs/safetensors. As there,
// tensors neither overlap nor leave gaps, so that nothing can hide in a file.

#include <casc/gpu/mapped_file.hpp>
#include <casc/gpu/tensor.hpp>

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace casc::gpu {

// What such a file says of itself, checked against its size: by name, and each with its bytes.
// Lifetime: refers to `file`. Fails with: model_unusable.
[[nodiscard]] Result<std::vector<Tensor>> read_safetensors(std::span<const std::byte> file);

// The tensors of a model, in one file (model.safetensors) or in several of which an index
// (model.safetensors.index.json) says which tensor is where.
//
// Thread: any. Lifetime: keeps the files mapped.
class TensorFiles {
public:
    // Fails with: model_unusable, also when the index and the files disagree, or there is one file
    // and an index, too.
    [[nodiscard]] static Result<TensorFiles> open(const std::filesystem::path& folder);

    // Null: there is none of that name.
    [[nodiscard]] const Tensor* find(std::string_view name) const noexcept;
    // By name.
    [[nodiscard]] std::span<const Tensor> all() const noexcept { return tensors_; }

private:
    [[nodiscard]] Result<void> add(const std::filesystem::path& path);

    std::vector<MappedFile> files_;
    std::vector<Tensor> tensors_;
};

}  // namespace casc::gpu
