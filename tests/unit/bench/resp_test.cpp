#include "resp.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace casc::bench::compare;

namespace {

// The sizes of the replies in `bytes`, which come `step` at a time.
std::vector<std::size_t> sizes_when_fed(const std::string& bytes, std::size_t step) {
    RespScanner scanner;
    std::vector<std::size_t> sizes;
    std::size_t begin = 0;
    for (std::size_t end = step; begin < bytes.size(); end += step) {
        const std::string_view there = std::string_view(bytes).substr(0, end);
        while (const auto size = scanner.scan(there.substr(begin))) {
            sizes.push_back(*size);
            begin += *size;
        }
        if (end > bytes.size()) break;
    }
    return sizes;
}

}  // namespace

TEST_CASE("bench/resp: a command is an array of bulk strings") {
    std::string out;
    append_command(out, {"XADD", "s", "*", "d", "a\r\nb"});
    CHECK(out == "*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n$1\r\n*\r\n$1\r\nd\r\n$4\r\na\r\nb\r\n");
}

TEST_CASE("bench/resp: tokens are taken off the front") {
    std::string_view rest = "+OK\r\n-ERR no\r\n:-7\r\n$3\r\na\r\n\r\n*2\r\n$-1\r\n*-1\r\n";
    CHECK(take_token(rest)->text == "OK");
    CHECK(take_token(rest)->kind == '-');
    CHECK(take_token(rest)->number == -7);
    CHECK(take_token(rest)->text == "a\r\n");
    CHECK(take_token(rest)->number == 2);
    CHECK(take_token(rest)->is_none());
    CHECK(take_token(rest)->is_none());
    CHECK_FALSE(take_token(rest));
    CHECK(rest.empty());
}

TEST_CASE("bench/resp: a token that is not whole is left where it is") {
    for (const std::string_view part : {"", "+O", "$5\r\nab", "$2\r\nab\r", "*1\r"}) {
        std::string_view rest = part;
        CHECK_FALSE(take_token(rest));
        CHECK(rest == part);
    }
}

TEST_CASE("bench/resp: what is not RESP is refused") {
    for (const std::string_view foreign : {"HTTP/1.1 400\r\n", ":seven\r\n", "$-2\r\n",
                                           "*99999999999\r\n", "+OK\n", "$1\r\nabc\r\n"}) {
        std::string_view rest = foreign;
        CHECK_THROWS_AS(static_cast<void>(take_token(rest)), std::runtime_error);
    }
    const std::string line(100'000, 'x');
    std::string_view endless = line;
    CHECK_THROWS_AS(static_cast<void>(take_token(endless)), std::runtime_error);
}

TEST_CASE("bench/resp: a reply ends where its last element does, however it comes") {
    const std::string nested = "*2\r\n*2\r\n$1\r\na\r\n*0\r\n:1\r\n";
    const std::string bytes = nested + "+OK\r\n" + "*-1\r\n" + nested;
    const std::vector<std::size_t> expected{nested.size(), 5, 5, nested.size()};
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{7}, bytes.size()})
        CHECK(sizes_when_fed(bytes, step) == expected);
}
