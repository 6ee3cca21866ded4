#pragma once
// gpu/src/tokenizer/sentencepiece_refusal.hpp: how a tokenizer.model is refused.

#include <casc/types/result.hpp>

#include <string>

namespace casc::gpu {

inline Error refuse_model_file(const std::string& why) {
    return Error(ErrorCode::model_unusable, "tokenizer.model: " + why);
}

}  // namespace casc::gpu
