// Files of tensors: what is read from a good one, and why a bad one is refused.

#include <casc/gpu/safetensors.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

using namespace casc;
using casc::gpu::ElementType;
using casc::gpu::Tensor;
using casc::gpu::TensorFiles;

namespace {

std::string file_of(const std::string& header, const std::string& data = "") {
    const std::uint64_t bytes = header.size();
    std::string file(sizeof bytes, '\0');
    std::memcpy(file.data(), &bytes, sizeof bytes);
    return file + header + data;
}

Result<std::vector<Tensor>> read(const std::string& file) {
    return gpu::read_safetensors(std::as_bytes(std::span(file)));
}

std::string file_trouble(const std::string& file) {
    const auto tensors = read(file);
    if (tensors) return "nothing";
    CHECK(tensors.error().code == ErrorCode::model_unusable);
    return tensors.error().detail;
}

struct ModelFolder {
    std::filesystem::path path;
    ModelFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "casc-model-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~ModelFolder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& contents) const {
        std::ofstream(path / name, std::ios::binary) << contents;
    }
    [[nodiscard]] std::string trouble() const {
        const auto files = TensorFiles::open(path);
        return files ? "nothing" : files.error().detail;
    }
};

const std::string kTwo = R"({"__metadata__": {"format": "pt"},
  "b": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [4, 16]},
  "a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}})";
const std::string kTwoData = "aaaabbbbbbbbbbbb";

}  // namespace

TEST_CASE("gpu/safetensors: tensors come with their bytes, by name") {
    const std::string file = file_of(kTwo, kTwoData);
    const auto tensors = read(file);
    REQUIRE(tensors);
    REQUIRE(tensors->size() == 2);
    CHECK((*tensors)[0].name == "a");
    CHECK((*tensors)[0].shape.empty());
    const Tensor& b = (*tensors)[1];
    CHECK(b.type == ElementType::bf16);
    CHECK(b.shape == std::vector<std::uint64_t>{2, 3});
    CHECK(b.description() == "BF16 [2, 3]");
    CHECK(b.bytes.size() == 12);
    CHECK(std::to_integer<char>(b.bytes[0]) == 'b');
    CHECK(read(file_of("{}"))->empty());
    CHECK(read(file_of(R"({"e": {"dtype": "I64", "shape": [0, 5], "data_offsets": [0, 0]}})")));
}

TEST_CASE("gpu/safetensors: a file that was cut is refused wherever it was") {
    const std::string file = file_of(kTwo, kTwoData);
    for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
        CAPTURE(bytes);
        CHECK(file_trouble(file.substr(0, bytes)) != "nothing");
    }
    CHECK(file_trouble(file + "x") == "there is something behind the last tensor");
}

TEST_CASE("gpu/safetensors: headers that lie are refused") {
    const auto with = [](const std::string& tensor, const std::string& data = "12345678") {
        return file_trouble(file_of("{\"t\": " + tensor + "}", data));
    };
    CHECK(with(R"({"dtype": "F32", "shape": [2], "data_offsets": [0, 8]})") == "nothing");
    CHECK(with(R"({"dtype": "F99", "shape": [2], "data_offsets": [0, 8]})") ==
          "tensor 't' is of numbers of an unknown kind: F99");
    for (const char* tensor :
         {R"({"shape": [2], "data_offsets": [0, 8]})",
          R"({"dtype": 7, "shape": [2], "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": 2, "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": [1,1,1,1,1,1,1,1,2], "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": [2]})",
          R"({"dtype": "F32", "shape": [2], "data_offsets": [0]})",
          R"({"dtype": "F32", "shape": [2], "data_offsets": [8, 0]})",
          R"({"dtype": "F32", "shape": [3], "data_offsets": [0, 12]})",
          R"({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 8]})",
          R"({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]})", "[]", "null"}) {
        CAPTURE(tensor);
        CHECK(with(tensor) != "nothing");
    }
    // 2^64 + 8 bytes, which are 8 to whoever lets them overflow.
    for (const char* shape : {R"("F32", "shape": [4611686018427387906])",
                              R"("I8", "shape": [3, 6148914691236517208])"}) {
        const std::string why =
            with(std::string("{\"dtype\": ") + shape + ", \"data_offsets\": [0, 8]}");
        CHECK(why.find("does not have the bytes that its shape asks for") != why.npos);
    }
    CHECK(file_trouble(file_of("[]")) == "the header is no JSON object");
    std::string endless = file_of("{}");
    endless[6] = '\x7f';
    CHECK(file_trouble(endless) == "the header has more than 100 MB");
}

TEST_CASE("gpu/safetensors: tensors that overlap are refused") {
    const std::string header = R"({"a": {"dtype": "I8", "shape": [5], "data_offsets": [0, 5]},
                                   "b": {"dtype": "I8", "shape": [5], "data_offsets": [3, 8]}})";
    CHECK(file_trouble(file_of(header, "12345678")) == "tensor 'b' overlaps with another one");
}

TEST_CASE("gpu/safetensors: a model of one file, and of several with their index") {
    const ModelFolder model;
    model.write("model.safetensors", file_of(kTwo, kTwoData));
    auto files = TensorFiles::open(model.path);
    REQUIRE(files);
    REQUIRE(files->find("b"));
    CHECK(files->find("b")->bytes.size() == 12);
    CHECK_FALSE(files->find("c"));
    // The files stay mapped wherever the object goes.
    const TensorFiles moved = std::move(*files);
    CHECK(std::to_integer<char>(moved.find("a")->bytes[0]) == 'a');

    model.write("one.safetensors",
                file_of(R"({"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", "x"));
    model.write("two.safetensors",
                file_of(R"({"y": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", "y"));
    const auto index = [&](const std::string& map) {
        model.write("model.safetensors.index.json", "{\"weight_map\": " + map + "}");
        return model.trouble();
    };
    CHECK(index(R"({"x": "one.safetensors", "y": "two.safetensors"})") ==
          "there are both model.safetensors and an index of several files");
    std::filesystem::remove(model.path / "model.safetensors");
    CHECK(index(R"({"x": "one.safetensors", "y": "two.safetensors"})") == "nothing");
    CHECK(TensorFiles::open(model.path)->all().size() == 2);
    CHECK(index(R"({"x": "one.safetensors"})") == "nothing");
    CHECK(index(R"({"x": "two.safetensors", "y": "one.safetensors"})") ==
          "the index names other tensors than its files have");
    CHECK(index(R"({"x": "one.safetensors", "z": "one.safetensors"})") ==
          "the index names other tensors than its files have");
    CHECK(index(R"({"x": "../one.safetensors"})") == "tensor 'x' is in a file of no proper name");
    CHECK(index(R"({"x": "..", "y": 7})") != "nothing");
    CHECK(index("7") != "nothing");
}

TEST_CASE("gpu/safetensors: a folder without a model, and things that are no files, are refused") {
    const ModelFolder model;
    CHECK(model.trouble().find("No such file") != std::string::npos);
    std::filesystem::create_directory(model.path / "model.safetensors");
    CHECK(model.trouble().find("it is not a file") != std::string::npos);
    std::filesystem::remove(model.path / "model.safetensors");
    model.write("model.safetensors", "");
    CHECK(model.trouble() == "model.safetensors: the file is too short for its header");
}
