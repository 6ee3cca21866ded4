#pragma once
// casc/types/strong.hpp: numbers that cannot be mixed up.
//
// An Id names something: it compares and hashes, nothing else. A Point is a place on a line, a
// Distance the gap between two places: Point - Point = Distance, Point + Distance = Point, and two
// Points cannot be added. Construction and .value() are explicit; nothing converts by itself.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace casc {

template <class Tag, class Rep>
class Id {
public:
    using rep = Rep;
    constexpr Id() = default;
    constexpr explicit Id(Rep value) : value_(value) {}
    [[nodiscard]] constexpr Rep value() const { return value_; }
    friend constexpr auto operator<=>(Id, Id) = default;

private:
    Rep value_{};
};

template <class Tag, class Rep>
class Distance {
public:
    using rep = Rep;
    constexpr Distance() = default;
    constexpr explicit Distance(Rep value) : value_(value) {}
    [[nodiscard]] constexpr Rep value() const { return value_; }
    friend constexpr auto operator<=>(Distance, Distance) = default;
    friend constexpr Distance operator+(Distance a, Distance b) {
        return Distance(a.value_ + b.value_);
    }
    friend constexpr Distance operator-(Distance a, Distance b) {
        return Distance(a.value_ - b.value_);
    }
    constexpr Distance& operator+=(Distance d) { return *this = *this + d; }

private:
    Rep value_{};
};

template <class Tag, class Rep>
class Point {
public:
    using rep = Rep;
    using distance = Distance<Tag, Rep>;
    constexpr Point() = default;
    constexpr explicit Point(Rep value) : value_(value) {}
    [[nodiscard]] constexpr Rep value() const { return value_; }
    friend constexpr auto operator<=>(Point, Point) = default;
    friend constexpr distance operator-(Point a, Point b) { return distance(a.value_ - b.value_); }
    friend constexpr Point operator+(Point p, distance d) { return Point(p.value_ + d.value()); }
    friend constexpr Point operator-(Point p, distance d) { return Point(p.value_ - d.value()); }
    constexpr Point& operator+=(distance d) { return *this = *this + d; }
    [[nodiscard]] constexpr Point next() const { return Point(value_ + 1); }

private:
    Rep value_{};
};

}  // namespace casc

template <class Tag, class Rep>
struct std::hash<casc::Id<Tag, Rep>> {
    std::size_t operator()(casc::Id<Tag, Rep> id) const noexcept {
        // Ids are small consecutive numbers; a multiplicative mix spreads them over the table.
        return static_cast<std::size_t>(
            static_cast<std::uint64_t>(id.value()) * 0x9E3779B97F4A7C15ull >> 7);
    }
};
