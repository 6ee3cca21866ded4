#include <casc/types/result.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

using namespace casc;

namespace {

Result<int> half(int number) {
    if (number % 2 != 0) return Error(ErrorCode::invalid_request, "odd");
    return number / 2;
}

Result<int> quarter(int number) {
    CASC_TRY(const int once, half(number));
    CASC_TRY(const int twice, half(once));
    return twice;
}

Result<void> must_be_even(int number) {
    CASC_TRY_VOID(half(number));
    return {};
}

}  // namespace

TEST_CASE("schemas/result: holds a value or an error") {
    CHECK(half(8).value() == 4);
    const auto failed = half(3);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::invalid_request);
    CHECK(failed.error().detail == "odd");
}

TEST_CASE(
    "schemas/result: CASC_TRY hands the value on, or returns the error of the first failure") {
    CHECK(*quarter(12) == 3);
    CHECK(quarter(6).error().detail == "odd");
    CHECK(must_be_even(2).has_value());
    CHECK(must_be_even(1).error().code == ErrorCode::invalid_request);
}

TEST_CASE("schemas/result: a bare code is an error without a detail") {
    const Result<std::string> result = ErrorCode::timeout;
    CHECK(result.error().code == ErrorCode::timeout);
    CHECK(result.error().detail.empty());
    const Result<void> nothing = ErrorCode::timeout;
    CHECK_FALSE(nothing.has_value());
}

TEST_CASE("schemas/result: a value that can only be moved is moved out") {
    const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(5); };
    const auto use = [&]() -> Result<int> {
        CASC_TRY(const auto owned, make());
        return *owned;
    };
    CHECK(*use() == 5);
}

TEST_CASE("schemas/result: the error keeps its advice when it travels") {
    const auto refuse = []() -> Result<int> { return Error(ErrorCode::overloaded, "full", 250); };
    const auto pass_on = [&]() -> Result<std::string> {
        CASC_TRY(const int number, refuse());
        return std::to_string(number);
    };
    CHECK(pass_on().error().retry_after_ms == 250);
}

TEST_CASE(
    "schemas/result: a loop over the value of a temporary result does not walk over freed memory") {
    const auto make = []() -> Result<std::vector<std::string>> {
        return std::vector<std::string>(3, std::string(64, 'x'));
    };
    std::size_t bytes = 0;
    for (const std::string& text : *make())
        bytes += text.size();
    CHECK(bytes == 192);
    static_assert(std::is_same_v<decltype(*make()), std::vector<std::string>>,
                  "by value: its life is extended");
    static_assert(std::is_same_v<decltype(make().error()), Error>);
}
