// The tokeniser of a model's folder, and whether it belongs to the model.

#include "tokenizer_json.hpp"

#include <casc/gpu/tokenizer_check.hpp>

#include <filesystem>
#include <fstream>
#include <system_error>
#include <unistd.h>

using namespace casc;
using namespace casc::gpu;
using namespace casc::gpu::testing;

namespace {

// A folder that goes with its test.
class TokenizerFolder {
public:
    TokenizerFolder()
        : path_(std::filesystem::temp_directory_path() /
                ("casc_tokenizer_test_" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(path_);
    }
    ~TokenizerFolder() { std::filesystem::remove_all(path_); }
    TokenizerFolder(const TokenizerFolder&) = delete;
    TokenizerFolder& operator=(const TokenizerFolder&) = delete;

    void write(const char* name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
    }
    [[nodiscard]] std::string trouble() const {
        const auto opened = open_tokenizer(path_);
        if (opened) return "nothing";
        CHECK(opened.error().code == ErrorCode::model_unusable);
        return opened.error().detail;
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("gpu/tokenizer: a folder's tokenizer.json is opened, else its tokenizer.model") {
    const TokenizerFolder folder;
    CHECK(folder.trouble() ==
          folder.path().string() + ": there is neither tokenizer.json nor tokenizer.model in it");
    folder.write("tokenizer.model", "no model");
    CHECK(folder.trouble().starts_with("tokenizer.model: "));
    folder.write("tokenizer.json", "no JSON");
    CHECK(folder.trouble().starts_with("tokenizer.json: JSON with "));
    folder.write("tokenizer.json", marks_json().text());
    const auto opened = open_tokenizer(folder.path());
    REQUIRE(opened);
    CHECK(tokens_of(**opened, "abc") == std::vector<TokenId>{268});
}

TEST_CASE("gpu/tokenizer: what is no file is refused, and a folder that is not there") {
    const TokenizerFolder folder;
    std::filesystem::create_directories(folder.path() / "tokenizer.json");
    CHECK(folder.trouble().ends_with("tokenizer.json: it is not a file"));
    CHECK_FALSE(open_tokenizer(folder.path() / "nowhere"));
}

TEST_CASE("gpu/tokenizer: a tokenizer.json that cannot be reached is trouble, and not another") {
    const TokenizerFolder folder;
    folder.write("tokenizer.model", "no model");
    std::filesystem::create_symlink(folder.path() / "nowhere", folder.path() / "tokenizer.json");
    CHECK(folder.trouble().starts_with((folder.path() / "tokenizer.json").string() + ": "));
    std::filesystem::create_symlink("loop", folder.path() / "loop");
    const auto opened = open_tokenizer(folder.path() / "loop");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == ErrorCode::model_unusable);
    CHECK(opened.error().detail ==
          (folder.path() / "loop/tokenizer.json").string() + ": " +
              std::make_error_code(std::errc::too_many_symbolic_link_levels).message());
}

TEST_CASE("gpu/tokenizer: tokens added in a file beside a tokenizer.model are not left out") {
    const TokenizerFolder folder;
    folder.write("tokenizer.model", "no model");
    folder.write("added_tokens.json", R"({"<|end|>":32000})");
    CHECK(folder.trouble() ==
          folder.path().string() +
              ": added_tokens.json beside tokenizer.model is not supported; a tokenizer.json, "
              "which has both, is");
    folder.write("tokenizer.json", marks_json().text());
    CHECK(folder.trouble() == "nothing");
}

TEST_CASE("gpu/tokenizer: tokens that the model does not have are trouble, rows without are not") {
    const auto tokenizer = tokenizer_of(marks_json().text());
    ModelConfig model;
    model.vocabulary_size = tokenizer->vocabulary_size();
    CHECK(check_tokenizer(*tokenizer, model));
    model.vocabulary_size += 64;
    CHECK(check_tokenizer(*tokenizer, model));
    model.vocabulary_size = tokenizer->vocabulary_size() - 1;
    const auto checked = check_tokenizer(*tokenizer, model);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::model_unusable);
    CHECK(checked.error().detail ==
          "the tokeniser has tokens up to 269, and the model has 269 of them (vocab_size)");
}
