#include "json_tokenizer.hpp"
#include "sentencepiece_tokenizer.hpp"

#include <casc/gpu/mapped_file.hpp>
#include <casc/gpu/tokenizer_check.hpp>
#include <casc/types/units.hpp>

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
    return parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const std::filesystem::path& folder) {
    std::error_code ignored;
    if (const auto path = folder / "tokenizer.json"; std::filesystem::exists(path, ignored))
        return open_file(path, parse_tokenizer_json);
    if (const auto path = folder / "tokenizer.model"; std::filesystem::exists(path, ignored))
        return open_file(path, parse_sentencepiece_model);
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
