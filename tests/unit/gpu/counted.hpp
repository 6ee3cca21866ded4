#pragma once
// An item that cannot be copied and knows how many of its kind are alive.

#include <utility>

namespace casc::ring::testing {

class Counted {
public:
    explicit Counted(int* alive, int value = 0) : alive_(alive), value_(value) { ++*alive_; }
    Counted(Counted&& other) noexcept
        : alive_(other.alive_), value_(std::exchange(other.value_, -1)) {
        ++*alive_;
    }
    Counted& operator=(Counted&& other) noexcept {
        value_ = std::exchange(other.value_, -1);
        return *this;
    }
    ~Counted() { --*alive_; }

    [[nodiscard]] int value() const { return value_; }

private:
    int* alive_;
    int value_;  // -1: moved from
};

}  // namespace casc::ring::testing
