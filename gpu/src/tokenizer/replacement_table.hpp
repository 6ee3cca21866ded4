#pragma once
// gpu/src/tokenizer/replacement_table.hpp: the table by which libsentencepiece changes a text
// before it is made into tokens (normalizer_spec.precompiled_charsmap): a double array of
// Darts-clone, behind it the texts that its values are places in.
//
// The library follows what is written there without looking, so all that it could reach is looked
// at here first.

#include <casc/types/result.hpp>

#include <cstddef>
#include <string_view>

namespace casc::gpu {

// The most bytes that a byte of a text becomes by it. No table is one that changes spaces alone.
// Fails with: model_unusable.
[[nodiscard]] Result<std::size_t> check_replacements(std::string_view table);

}  // namespace casc::gpu
