#pragma once
// records.hpp: tens of thousands of real records that every Debian machine has: its package
// database.

#include <casc/types/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::demo {

// The two topics: what is installed, and which files belong to it.
enum class Kind : std::uint8_t { package, file };
inline constexpr std::size_t kKindCount = 2;

// Thread: any (a value).
struct Record {
    Kind kind;
    Lane lane;            // by what the record is; see lane_of_package() and lane_of_file()
    std::string key;      // the package: its records stay in order
    std::string payload;  // "<number>\t<text>"; the number is the record's place in the list of all
};

// Packages of /var/lib/dpkg/status and files of /var/lib/dpkg/info/*.list, mixed, at most
// `count_max`; numbered from 0.
[[nodiscard]] std::vector<Record> read_records(std::size_t count_max);

// A package of /var/lib/dpkg/status. Thread: any (a value).
struct Package {
    std::string name;
    std::string section;      // "python", without the archive's area in front
    std::string description;  // its first line
    Lane lane;
};
[[nodiscard]] std::vector<Package> installed_packages();

// What the system cannot do without is critical, what it should have high, documentation and
// translations low.
[[nodiscard]] Lane lane_of_package(std::string_view stanza);
// Programs and configuration are high, documentation and translations low.
[[nodiscard]] Lane lane_of_file(std::string_view path);

// The number in front of a payload; nullopt when there is none.
[[nodiscard]] std::optional<std::size_t> number_of(std::string_view payload);

// FNV-1a: tells a changed payload from the right one.
[[nodiscard]] std::uint64_t checksum(std::string_view bytes);

}  // namespace casc::demo
