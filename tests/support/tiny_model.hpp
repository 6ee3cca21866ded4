#pragma once
// tiny_model.hpp: a folder with models for a broker, made of those that tests/models/make_models.py
// has written (CASC_MODELS_FOLDER) and a tokeniser of letters.

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

namespace casc::test {

// Thread: one at a time. Lifetime: the folder goes with the object.
class ModelsFolder {
public:
    ModelsFolder() {
        static int last = 0;
        path_ = std::filesystem::temp_directory_path() /
                ("casc-models-" + std::to_string(::getpid()) + '-' + std::to_string(++last));
        std::filesystem::create_directories(path_);
    }
    ~ModelsFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ModelsFolder(const ModelsFolder&) = delete;
    ModelsFolder& operator=(const ModelsFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    // `kind` is a folder of make_models.py's, such as "llama"; `settings` are its casc-model.toml.
    void add(const std::string& name, const std::string& version, const std::string& kind,
             std::string_view settings = {}) const {
        namespace fs = std::filesystem;
        const fs::path from = fs::path(CASC_MODELS_FOLDER) / kind;
        const fs::path to = path_ / name / version;
        fs::create_directories(to);
        for (const char* file : {"config.json", "model.safetensors"})
            fs::copy_file(from / file, to / file);
        write(to / "tokenizer.json", tokenizer_text());
        if (!settings.empty()) write(to / "casc-model.toml", settings);
    }
    // A new file in place of the old one, as files of models are exchanged.
    static void write(const std::filesystem::path& path, std::string_view text) {
        const std::filesystem::path fresh = path.string() + ".new";
        std::ofstream(fresh) << text;
        std::filesystem::rename(fresh, path);
    }

private:
    static std::string tokenizer_text() {
        std::string vocabulary = R"("<unk>":0,"<s>":1,"</s>":2,"▁":3)";
        for (int letter = 0; letter < 26; ++letter) {
            const char text[2] = {static_cast<char>('a' + letter), '\0'};
            vocabulary += std::string(",\"") + text + "\":" + std::to_string(4 + letter);
        }
        return R"({"version":"1.0","truncation":null,"padding":null,
            "added_tokens":[{"id":0,"content":"<unk>","special":true,"normalized":false},
                            {"id":1,"content":"<s>","special":true,"normalized":false},
                            {"id":2,"content":"</s>","special":true,"normalized":false}],
            "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
                {"type":"Replace","pattern":{"String":" "},"content":"▁"}]},
            "pre_tokenizer":null,
            "post_processor":null,
            "decoder":{"type":"Sequence","decoders":[
                {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
                {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
            "model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"vocab":{)" +
               vocabulary + R"(},"merges":[]}})";
    }

    std::filesystem::path path_;
};

}  // namespace casc::test
