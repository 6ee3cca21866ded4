// Texts compared in words, of every length that takes another way.

#include "same_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace casc::broker;

TEST_CASE("broker/same_text: texts are the same when every character is") {
    for (std::size_t size = 0; size <= 40; ++size) {
        // Of exactly that size, so that a sanitizer sees a look past the end.
        const std::vector<char> one(size, 'x');
        std::vector<char> other = one;
        const auto text = [](const std::vector<char>& of) {
            return std::string_view(of.data(), of.size());
        };
        CAPTURE(size);
        CHECK(same_text(text(one), text(other)));
        CHECK_FALSE(same_text(text(one), std::string(size + 1, 'x')));
        for (std::size_t at = 0; at < size; ++at) {
            other[at] = 'y';
            CAPTURE(at);
            CHECK_FALSE(same_text(text(one), text(other)));
            other[at] = 'x';
        }
    }
    CHECK(same_text({}, ""));
}
