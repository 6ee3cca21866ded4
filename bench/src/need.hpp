#pragma once
// The value of a Result, or an exception that says what was being done: a benchmark that cannot go
// on has no result.
//
// Thread: any.

#include <casc/types/result.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace casc::bench {

template <class T>
T need(Result<T> result, std::string_view doing) {
    if (!result) throw std::runtime_error(std::string(doing) + ": " + result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

}  // namespace casc::bench
