#include <casc/gpu/byte_tokenizer.hpp>
#include <casc/gpu/cpu_backend.hpp>
#include <casc/gpu/random_model.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>

namespace casc::gpu {
namespace {

RandomModelShape tiny(const std::string& kind) {
    RandomModelShape shape;
    shape.kind = kind;
    shape.hidden_size = 64;
    shape.inner_size = 96;
    shape.layer_count = 2;
    shape.head_count = 4;
    shape.kv_head_count = kind == "phi3" ? 4 : 2;
    shape.vocabulary_size = 300;
    shape.context_tokens = 32;
    shape.ties_embeddings = kind != "phi3";
    return shape;
}

std::string bytes_of(const WeightMatrix& matrix) {
    return {reinterpret_cast<const char*>(matrix.data), matrix.bytes()};
}

}  // namespace

TEST_CASE("gpu/random_model: a model of each kind is what its shape says, and computes") {
    for (const char* const kind : {"llama", "phi3"}) {
        for (const ElementType type : {ElementType::bf16, ElementType::f32}) {
            RandomModelShape shape = tiny(kind);
            shape.type = type;
            auto weights = make_random_model(shape, 1);
            REQUIRE_MESSAGE(weights, weights.error().message());
            CHECK(weights->config().kind == kind);
            CHECK(weights->layers().size() == 2);
            CHECK(weights->embedding().rows == 300);
            CHECK(weights->embedding().type == type);
            auto backend = CpuBackend::make(*std::move(weights), {.slot_count = 1});
            REQUIRE(backend);
            constexpr std::array<TokenId, 3> kTokens{1, 2, 299};
            const SequenceStep step{.tokens = kTokens, .wanted = Wanted::token};
            StepOutput output;
            REQUIRE((*backend)->step({&step, 1}, output));
            CHECK_FALSE(output.rows.at(0).failed);
            CHECK(output.rows.at(0).token < 300);
        }
    }
}

TEST_CASE("gpu/random_model: the same seed has the same numbers, another one others") {
    const auto first = make_random_model(tiny("llama"), 7);
    const auto again = make_random_model(tiny("llama"), 7);
    const auto other = make_random_model(tiny("llama"), 8);
    REQUIRE((first && again && other));
    CHECK(bytes_of(first->layers()[1].down) == bytes_of(again->layers()[1].down));
    CHECK(bytes_of(first->layers()[1].down) != bytes_of(other->layers()[1].down));
    CHECK(bytes_of(first->layers()[0].down) != bytes_of(first->layers()[1].down));
}

TEST_CASE("gpu/random_model: where it cannot be written it says so") {
    const auto written = write_random_model(tiny("llama"), 1, "/nowhere/at/all");
    REQUIRE_FALSE(written);
    CHECK(written.error().code == ErrorCode::io_failed);
}

TEST_CASE("gpu/random_model: tokens of bytes") {
    const ByteTokenizer tokenizer(1000);
    const auto tokens = tokenizer.encode("hé", SpecialTokens::around);
    REQUIRE(tokens);
    CHECK(*tokens == std::vector<TokenId>{0x68, 0xc3, 0xa9});
    CHECK(tokenizer.bytes_of(0x68) == "h");
    CHECK(tokenizer.bytes_of(256).empty());
    CHECK(tokenizer.vocabulary_size() == 1000);
    CHECK_FALSE(tokenizer.encode("\xff", SpecialTokens::plain));
}

}  // namespace casc::gpu
