#pragma once
// casc/types/result.hpp: a value or an Error. The member names are those of C++23's std::expected,
// so that it can take over when the compiler has it.

#include <casc/types/assert.hpp>
#include <casc/types/error.hpp>

#include <optional>
#include <utility>
#include <variant>

namespace casc {

template <class T>
class [[nodiscard]] Result {
public:
    using value_type = T;
    Result(T value)
        : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
    Result(Error error)
        : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design
    Result(ErrorCode code)
        : state_(std::in_place_index<1>, Error(code)) {}  // NOLINT: implicit by design

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    T& value() & {
        CASC_ASSERT(has_value(), error().message());
        return std::get<0>(state_);
    }
    const T& value() const& {
        CASC_ASSERT(has_value(), error().message());
        return std::get<0>(state_);
    }
    // By value, not T&&: `for (x : *f())` then keeps what it walks over alive.
    T value() && {
        CASC_ASSERT(has_value(), error().message());
        return std::get<0>(std::move(state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const& { return std::get<1>(state_); }
    Error error() && { return std::get<1>(std::move(state_)); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design
    Result(ErrorCode code) : error_(Error(code)) {}    // NOLINT: implicit by design

    [[nodiscard]] bool has_value() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return has_value(); }
    void value() const { CASC_ASSERT(has_value(), error_->message()); }
    const Error& error() const& { return *error_; }
    Error error() && { return *std::move(error_); }

private:
    std::optional<Error> error_;
};

// CASC_TRY(auto x, f()): x is the value of f(), or the enclosing function returns f()'s error.
#define CASC_TRY(declaration, expression) \
    CASC_TRY_IMPL(declaration, expression, CASC_TRY_NAME(__COUNTER__))
#define CASC_TRY_NAME(n) CASC_TRY_NAME_IMPL(n)
#define CASC_TRY_NAME_IMPL(n) casc_try_result_##n
#define CASC_TRY_IMPL(declaration, expression, name) \
    auto name = (expression);                        \
    if (!(name)) return std::move(name).error();     \
    declaration = std::move(name).value()

// CASC_TRY_VOID(f()): the enclosing function returns f()'s error, if it has one.
#define CASC_TRY_VOID(expression)                                  \
    do {                                                           \
        if (auto casc_try_result = (expression); !casc_try_result) \
            return std::move(casc_try_result).error();             \
    } while (false)

}  // namespace casc
