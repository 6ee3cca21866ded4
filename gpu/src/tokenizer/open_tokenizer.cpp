#include "tokenizer/json_tokenizer.hpp"
#include "tokenizer/sentencepiece_tokenizer.hpp"

#include <casc/gpu/mapped_file.hpp>
#include <casc/gpu/tokenizer_check.hpp>
#include <casc/types/units.hpp>

#include <string>
#include <system_error>

namespace casc::gpu {
namespace {

// Published ones have up to 34 MB.
constexpr std::size_t kTokenizerBytesMax = 64_MiB;

using OpenedTokenizer = Result<std::shared_ptr<const Tokenizer>>;

OpenedTokenizer open_file(const std::filesystem::path& path,
                          OpenedTokenizer (&parse)(std::string_view)) {
    CASC_TRY(const MappedFile file, MappedFile::open(path));
    const auto bytes = file.bytes();
    if (bytes.size() > kTokenizerBytesMax)
        return Error(ErrorCode::model_unusable, path.string() + ": it has more than " +
                                                    std::to_string(kTokenizerBytesMax) + " bytes");
    // A copy: what was checked is what is used, whoever writes to the file meanwhile.
    const std::string copy(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return parse(copy);
}

// Whether there is something of that name, be it a link that leads nowhere.
Result<bool> is_there(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::symlink_status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) return false;
    if (error) return Error(ErrorCode::model_unusable, path.string() + ": " + error.message());
    return true;
}

// tokenizer.model, and in a file of its own what was added to it.
Result<void> expect_none_added(const std::filesystem::path& folder) {
    CASC_TRY(const bool is_added_to, is_there(folder / "added_tokens.json"));
    if (!is_added_to) return {};
    return Error(ErrorCode::model_unusable,
                 folder.string() +
                     ": added_tokens.json beside tokenizer.model is not supported; a "
                     "tokenizer.json, which has both, is");
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const std::filesystem::path& folder) {
    const auto json = folder / "tokenizer.json";
    CASC_TRY(const bool has_json, is_there(json));
    if (has_json) return open_file(json, parse_tokenizer_json);
    const auto model = folder / "tokenizer.model";
    CASC_TRY(const bool has_model, is_there(model));
    if (has_model) {
        CASC_TRY_VOID(expect_none_added(folder));
        return open_file(model, parse_sentencepiece_model);
    }
    return Error(ErrorCode::model_unusable, folder.string() +
                                                ": there is neither tokenizer.json nor "
                                                "tokenizer.model in it");
}

Result<void> check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& model) {
    if (tokenizer.vocabulary_size() <= model.vocabulary_size) return {};
    return Error(ErrorCode::model_unusable,
                 "the tokeniser has tokens up to " +
                     std::to_string(tokenizer.vocabulary_size() - 1) + ", and the model has " +
                     std::to_string(model.vocabulary_size) + " of them (vocab_size)");
}

}  // namespace casc::gpu
