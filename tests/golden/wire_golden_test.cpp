// The bytes of released versions decode for ever, and today's encoder still writes them.
//
// A new message gets a sample (samples_*.cpp) and then its file: CASC_GOLDEN_WRITE=1
// build/.../casc_golden_tests writes the missing ones and touches no other. Look at the new file
// before it is committed.
#include "describe.hpp"
#include "samples.hpp"

#include <casc/wire/frame.hpp>

#include <doctest/doctest.h>

#include <set>

using namespace casc;
using namespace casc::golden;

namespace {

std::filesystem::path file_of(const Sample& sample) {
    return folder() / (sample.name + ".golden");
}

}  // namespace

TEST_CASE("golden/wire: every sample has a file") {
    for (const Sample& sample : all_samples()) {
        if (writing_is_asked_for())
            write_new_file(file_of(sample), {sample.bytes, describe(sample.bytes)});
        CAPTURE(sample.name);
        CHECK(std::filesystem::exists(file_of(sample)));
    }
}

TEST_CASE("golden/wire: every file decodes to the fields that are written in it") {
    const auto files = all_files();
    CHECK(files.size() >= all_samples().size());
    for (const auto& path : files) {
        const File file = read_file(path);
        CAPTURE(path.filename().string());
        CHECK(describe(file.bytes) == file.text);
    }
}

TEST_CASE("golden/wire: today's encoder writes the same bytes") {
    for (const Sample& sample : all_samples()) {
        const File file = read_file(file_of(sample));
        CAPTURE(sample.name);
        if (sample.bytes_are_ours) {
            CHECK(hexdump(sample.bytes) == hexdump(file.bytes));
        } else {
            // Only the lines about sizes may differ.
            const std::string today = describe(sample.bytes);
            CHECK(today.substr(today.find("\nevent")) ==
                  file.text.substr(file.text.find("\nevent")));
        }
    }
}

TEST_CASE("golden/wire: there is a frame for every api") {
    std::set<unsigned> apis;
    for (const Sample& sample : all_samples()) {
        const auto header = wire::peek_frame(sample.bytes, wire::kFrameBytesMax);
        if (header) apis.insert(static_cast<unsigned>((*header)->api));
    }
    const std::set<unsigned> expected{
        1,  2,  10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25,  26,  30,  31,  32,  33, 34, 35,
        36, 37, 38, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50,  51,  52,  53,  54,  55, 60, 61,
        62, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 90, 100, 101, 102, 103, 104, 110};
    CHECK(apis == expected);
}

TEST_CASE("golden/wire: a file that is there is never written over") {
    const auto path = std::filesystem::temp_directory_path() / "casc-golden-test.golden";
    std::filesystem::remove(path);
    CHECK(write_new_file(path, {Bytes(20, std::byte{1}), "first\n"}));
    CHECK_FALSE(write_new_file(path, {Bytes(20, std::byte{2}), "second\n"}));
    CHECK(read_file(path).text == "first\n");
    CHECK(read_file(path).bytes == Bytes(20, std::byte{1}));
    std::filesystem::remove(path);
}

TEST_CASE("golden/wire: a damaged frame or hexdump does not pass") {
    Bytes bytes = event_samples().front().bytes;
    bytes[30] ^= std::byte{1};
    CHECK_THROWS(describe(bytes));
    CHECK_THROWS(from_hexdump("00000001  00\n"));
    CHECK_THROWS(from_hexdump("00000000  zz\n"));
}
