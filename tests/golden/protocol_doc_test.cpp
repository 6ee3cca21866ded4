// docs/protocol.md is what others write clients from, so what it says is held against the code.
#include "describe.hpp"
#include "golden_file.hpp"

#include <casc/types/error.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/frame.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

using namespace casc;
using namespace casc::golden;

namespace {

std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(std::filesystem::path(CASC_SOURCE_DIR) / path);
    if (!in) throw std::runtime_error("cannot read " + path.string());
    return {std::istreambuf_iterator<char>(in), {}};
}

const std::string& document() {
    static const std::string text = text_of("docs/protocol.md");
    return text;
}

bool says(const std::string& words) {
    return document().find(words) != std::string::npos;
}

// What lies between the heading `from` and the next heading of the same kind.
std::string section(const std::string& from) {
    const auto begin = document().find("\n" + from + "\n");
    if (begin == std::string::npos) throw std::runtime_error("no section " + from);
    const std::string mark = "\n" + from.substr(0, from.find(' ') + 1);
    return document().substr(begin, document().find(mark, begin + 1) - begin);
}

std::vector<std::string> all_matches(const std::string& text, const char* pattern) {
    const std::regex regex(pattern);
    std::vector<std::string> found;
    for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it)
        found.push_back((*it)[1]);
    return found;
}

// 16777216 -> "16 777 216"
std::string grouped(std::size_t number) {
    std::string digits = std::to_string(number);
    for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), " ");
    return digits;
}

}  // namespace

TEST_CASE("golden/protocol.md: the table of errors is that of error.hpp") {
    std::string expected;
#define CASC_X(identifier, number, name, retry, sentence)                                       \
    expected += "| " + std::to_string(number) + " | `" name "` | " + ((retry) ? "yes" : "no") + \
                " | " sentence " |\n";
    CASC_ERROR_CODES(CASC_X)
#undef CASC_X
    const std::string written = section("## Errors");
    const auto begin = written.find("| 1001 ");
    REQUIRE(begin != std::string::npos);
    CHECK(written.substr(begin, written.find("\n\n", begin) + 1 - begin) == expected);
}

TEST_CASE("golden/protocol.md: names no error that does not exist") {
    std::string names;
#define CASC_X(identifier, number, name, retry, sentence) names += " " name " ";
    CASC_ERROR_CODES(CASC_X)
#undef CASC_X
    const auto named = all_matches(document(), "`([A-Z]+(_[A-Z]+)+)`");
    CHECK(named.size() > 50);
    const std::set<std::string> of_the_system{"TCP_NODELAY", "SCM_RIGHTS",  "F_SEAL_SHRINK",
                                              "F_SEAL_GROW", "F_SEAL_SEAL", "MSG_DONTWAIT"};
    for (const std::string& name : named) {
        if (of_the_system.contains(name)) continue;
        CAPTURE(name);
        CHECK(names.find(" " + name + " ") != std::string::npos);
    }
}

TEST_CASE("golden/protocol.md: the frame decoded by hand is the golden one") {
    const std::string hand = section("## A frame by hand");
    const auto begin = hand.find("00000000 ");
    REQUIRE(begin != std::string::npos);
    const Bytes written = from_hexdump(hand.substr(begin, hand.find("```", begin) - begin));
    const File golden = read_file(folder() / "produce.request.golden");
    CHECK(hexdump(written) == hexdump(golden.bytes));
    CHECK(describe(written) == golden.text);

    // Each row of the table begins with the bytes that are there.
    const std::regex row("\\| ([0-9a-f]{2}) \\| `([0-9a-f ]+)");
    std::size_t rows = 0;
    for (std::sregex_iterator it(hand.begin(), hand.end(), row), end; it != end; ++it, ++rows) {
        const std::size_t at = std::stoul((*it)[1], nullptr, 16);
        std::istringstream quoted((*it)[2]);
        std::string byte;
        for (std::size_t i = at; quoted >> byte; ++i) {
            CAPTURE(i);
            CHECK(std::stoul(byte, nullptr, 16) == static_cast<std::size_t>(golden.bytes.at(i)));
        }
    }
    CHECK(rows > 20);
}

TEST_CASE("golden/protocol.md: every table of the schema is spoken of") {
    const std::string schema = text_of("schemas/fbs/casc.fbs");
    const auto tables =
        all_matches(schema.substr(0, schema.find("// ---- state rows")), "\ntable ([A-Za-z]+)");
    CHECK(tables.size() > 60);
    const auto words = all_matches(document(), "([A-Za-z]+)");
    const std::set<std::string> spoken_of(words.begin(), words.end());
    for (const std::string& table : tables) {
        CAPTURE(table);
        CHECK(spoken_of.contains(table));
    }
}

TEST_CASE("golden/protocol.md: every api has its row, with its number") {
    const std::string header = text_of("schemas/include/casc/wire/frame.hpp");
    const auto begin = header.find("enum class Api");
    const std::string apis = header.substr(begin, header.find("};", begin) - begin);
    const std::regex api("    ([a-z_]+) = ([0-9]+),");
    std::size_t count = 0;
    for (std::sregex_iterator it(apis.begin(), apis.end(), api), end; it != end; ++it, ++count) {
        const std::string row = "\n| " + (*it)[2].str() + " | " + (*it)[1].str() + " | ";
        CAPTURE(row);
        CHECK(says(row));
    }
    CHECK(count == 61);
}

TEST_CASE("golden/protocol.md: the limits are those of the code") {
    using namespace wire;
    CHECK(says("| frame | 17 MiB (" + grouped(kFrameBytesMax) + " bytes)"));
    CHECK(says("| body | 8 MiB (" + grouped(kBodyBytesMax) + " bytes)"));
    CHECK(says("| batch | 16 MiB (" + grouped(kBatchBytesMax) + " bytes)"));
    CHECK(says("| events in a batch | " + grouped(kBatchEventsMax) + " |"));
    CHECK(says("| payloads of a batch, uncompressed | 64 MiB (" + grouped(kPayloadBytesMax) +
               " bytes)"));
    CHECK(says("| partitions of a topic | " + grouped(kPartitionsMax) + " |"));
    CHECK(says("port " + std::to_string(kDefaultPort)));
    CHECK(says("port " + std::to_string(kDefaultHttpPort)));
    CHECK(says("0x31425343"));
    CHECK(kBatchMagic == 0x31425343);
    CHECK(says("magic 0xCA"));
}

TEST_CASE("golden/protocol.md: links lead to files that are there") {
    for (const std::string& link : all_matches(document(), "\\]\\(([^)#]+)\\)")) {
        if (link.starts_with("https://")) continue;
        CAPTURE(link);
        CHECK(std::filesystem::exists(std::filesystem::path(CASC_SOURCE_DIR) / "docs" / link));
    }
}
