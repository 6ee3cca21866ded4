// Normalization Form C.

#include "odd_text.hpp"
#include "tokenizer/composed_text.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

using casc::gpu::composed_text;
using casc::gpu::testing::odd_text;

TEST_CASE("gpu/tokenizer: a letter and its marks are composed") {
    CHECK(composed_text("e\xCC\x81") == "é");
    CHECK(composed_text("été") == "été");
    CHECK(composed_text("plain text") == "plain text");
    CHECK(composed_text("").empty());
    // Angstrom's sign is another code for the letter; a circumflex and an acute in one step.
    CHECK(composed_text("\xE2\x84\xAB") == "Å");
    CHECK(composed_text("e\xCC\x82\xCC\x81") == "ế");
    // A dot below goes before a dot above, and the letter with both is found in the other order,
    // too.
    CHECK(composed_text("s\xCC\x87\xCC\xA3") == "ṩ");
    CHECK(composed_text("\xE1\xB9\xA1\xCC\xA3") == "ṩ");
    // Two marks of the same order: only the first one reaches the letter.
    CHECK(composed_text("q\xCC\x81\xCC\x81") == "q\xCC\x81\xCC\x81");
    CHECK(composed_text("\xCC\x81"
                        "e") ==
          "\xCC\x81"
          "e");
    // Kept apart on purpose: a letter of Devanagari with its dot.
    CHECK(composed_text("\xE0\xA5\x98") == "\xE0\xA4\x95\xE0\xA4\xBC");
}

TEST_CASE("gpu/tokenizer: syllables of Hangul are composed by arithmetic") {
    CHECK(composed_text("\xE1\x84\x80\xE1\x85\xA1") == "가");
    CHECK(composed_text("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8") == "각");
    CHECK(composed_text("가\xE1\x86\xA8") == "각");
    CHECK(composed_text("각\xE1\x86\xA8") == "각\xE1\x86\xA8");
    CHECK(composed_text("힣") == "힣");
    CHECK(composed_text("\xE1\x85\xA1") == "\xE1\x85\xA1");
}

TEST_CASE("gpu/tokenizer: what is composed stays as it is") {
    std::mt19937 random(3);
    for (int round = 0; round < 2000; ++round) {
        const std::string once = composed_text(odd_text(random, 30));
        CHECK(composed_text(once) == once);
    }
}

TEST_CASE("gpu/tokenizer: a heap of marks is put in order without a square of steps") {
    std::string heap = "a";
    for (int i = 0; i < 200'000; ++i)
        heap += i % 2 == 0 ? "\xCC\x81" : "\xCC\xA3";
    const std::string composed = composed_text(heap);
    CHECK(composed.starts_with("ạ\xCC\xA3"));
    CHECK(composed.ends_with("\xCC\x81"));
}
