#include <casc/wire/crc32c.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace casc::wire;

namespace {

using Bytes = std::vector<std::byte>;

std::span<const std::byte> text(std::string_view characters) {
    return std::as_bytes(std::span(characters));
}

Bytes filled(std::size_t count, unsigned first, int step) {
    Bytes bytes(count);
    for (std::size_t i = 0; i < count; ++i)
        bytes[i] = static_cast<std::byte>(static_cast<int>(first) + step * static_cast<int>(i));
    return bytes;
}

Bytes random_bytes(std::size_t count, std::mt19937_64& random) {
    Bytes bytes(count);
    for (auto& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

// The definition, one bit at a time: nothing in common with either of the two paths under test.
std::uint32_t crc32c_by_definition(std::span<const std::byte> bytes) {
    std::uint32_t state = 0xFFFFFFFF;
    for (const std::byte byte : bytes) {
        state ^= static_cast<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit)
            state = (state >> 1) ^ ((state & 1) != 0 ? 0x82F63B78u : 0u);
    }
    return ~state;
}

void check_both(std::span<const std::byte> bytes, std::uint32_t expected) {
    CHECK(crc32c(bytes) == expected);
    CHECK(crc32c_portable(bytes) == expected);
}

}  // namespace

TEST_CASE("schemas/crc32c: gives the published check values") {
    check_both(text("123456789"), 0xE3069283);
    check_both({}, 0);
    // RFC 3720, B.4.
    check_both(filled(32, 0, 0), 0x8A9136AA);
    check_both(filled(32, 0xFF, 0), 0x62A8AB43);
    check_both(filled(32, 0, 1), 0x46DD794E);
    check_both(filled(32, 31, -1), 0x113FDB5C);
}

TEST_CASE("schemas/crc32c: gives the checksum of the SCSI read command of RFC 3720") {
    Bytes command(48);
    command[0] = std::byte{0x01};
    command[1] = std::byte{0xC0};
    command[16] = std::byte{0x14};
    command[22] = std::byte{0x04};
    command[27] = std::byte{0x14};
    command[31] = std::byte{0x18};
    command[32] = std::byte{0x28};
    command[40] = std::byte{0x02};
    check_both(command, 0xD9963A56);
}

TEST_CASE(
    "schemas/crc32c: both paths follow the definition at every length around their block sizes") {
    std::mt19937_64 random(3);
    const Bytes bytes = random_bytes(8192, random);
    for (std::size_t count = 0; count <= 820; ++count)
        check_both(std::span(bytes).first(count),
                   crc32c_by_definition(std::span(bytes).first(count)));
    for (const std::size_t blocks : {1u, 2u})
        for (std::size_t more = 0; more < 24; ++more) {
            const auto part = std::span(bytes).subspan(more % 8, blocks * 3072 - 12 + more);
            check_both(part, crc32c_by_definition(part));
        }
}

TEST_CASE("schemas/crc32c: both paths agree over random lengths, alignments and seeds") {
    std::mt19937_64 random(4);
    const Bytes bytes = random_bytes(1u << 18, random);
    for (int i = 0; i < 2000; ++i) {
        const std::size_t at = random() % 4096;
        const std::size_t count = random() % (i % 10 == 0 ? bytes.size() - at : 5000);
        const auto seed = static_cast<std::uint32_t>(random());
        const auto part = std::span(bytes).subspan(at, count);
        CAPTURE(at);
        CAPTURE(count);
        REQUIRE(crc32c(part, seed) == crc32c_portable(part, seed));
    }
}

TEST_CASE("schemas/crc32c: a checksum can be continued over bytes that lie apart") {
    std::mt19937_64 random(5);
    const Bytes bytes = random_bytes(10'000, random);
    const std::uint32_t whole = crc32c(bytes);
    for (int i = 0; i < 500; ++i) {
        const std::size_t cut = random() % (bytes.size() + 1);
        REQUIRE(crc32c(std::span(bytes).subspan(cut), crc32c(std::span(bytes).first(cut))) ==
                whole);
    }
}

TEST_CASE("schemas/crc32c: every single flipped bit changes the checksum") {
    std::mt19937_64 random(6);
    Bytes bytes = random_bytes(4000, random);
    const std::uint32_t whole = crc32c(bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        REQUIRE(crc32c(bytes) != whole);
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
}

TEST_CASE("schemas/crc32c: says which path it uses") {
    const auto path = crc32c_path();
    CHECK((path == "sse4.2" || path == "armv8" || path == "tables"));
}
