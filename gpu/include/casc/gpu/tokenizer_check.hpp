#pragma once
// casc/gpu/tokenizer_check.hpp: whether a tokeniser and a model belong together.

#include <casc/gpu/model_config.hpp>
#include <casc/gpu/tokenizer.hpp>
#include <casc/types/result.hpp>

namespace casc::gpu {

// A model may have more rows than its tokeniser has tokens (they are rounded up), but not fewer.
// Thread: any. Fails with: model_unusable.
[[nodiscard]] Result<void> check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& model);

}  // namespace casc::gpu
