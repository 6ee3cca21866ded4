#include "records.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace casc::demo {

namespace {

constexpr const char* kStatusFile = "/var/lib/dpkg/status";
constexpr const char* kInfoFolder = "/var/lib/dpkg/info";

// The value of a field such as "Priority" in a stanza of the package database; empty when it has
// none.
std::string_view field(std::string_view stanza, std::string_view name) {
    for (std::size_t at = 0; at < stanza.size();) {
        const std::size_t end = std::min(stanza.find('\n', at), stanza.size());
        const std::string_view line = stanza.substr(at, end - at);
        if (line.size() > name.size() + 1 && line.starts_with(name) && line[name.size()] == ':') {
            return line.substr(std::min(line.size(), name.size() + 2));
        }
        at = end + 1;
    }
    return {};
}

template <std::size_t N>
bool starts_with_any(std::string_view text, const std::array<std::string_view, N>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](auto prefix) { return text.starts_with(prefix); });
}

// Calls `use` with the name and the text of each package.
template <class Use>
void for_each_package(const Use& use) {
    std::ifstream in(kStatusFile);
    std::string stanza;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty()) {
            stanza += line + '\n';
            continue;
        }
        const std::string name(field(stanza, "Package"));
        if (!name.empty()) use(name, stanza);
        stanza.clear();
    }
}

std::vector<Record> read_packages() {
    std::vector<Record> records;
    for_each_package([&](const std::string& name, const std::string& stanza) {
        records.push_back({Kind::package, lane_of_package(stanza), name, stanza});
    });
    return records;
}

// libc6:amd64.list belongs to libc6.
std::string package_of_list(const std::filesystem::path& list) {
    const std::string stem = list.stem().string();
    return stem.substr(0, stem.find(':'));
}

std::vector<Record> read_files(std::size_t count_max) {
    std::vector<std::filesystem::path> lists;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(kInfoFolder, error)) {
        if (entry.path().extension() == ".list") lists.push_back(entry.path());
    }
    std::sort(lists.begin(), lists.end());
    std::vector<Record> records;
    for (const auto& list : lists) {
        const std::string package = package_of_list(list);
        std::ifstream in(list);
        for (std::string path; records.size() < count_max && std::getline(in, path);) {
            if (path != "/.") records.push_back({Kind::file, lane_of_file(path), package, path});
        }
    }
    return records;
}

// Spreads the packages evenly among the many more files, so that every stretch of the list has some
// of each lane.
std::vector<Record> mixed(std::vector<Record> packages, std::vector<Record> files) {
    std::vector<Record> all;
    all.reserve(packages.size() + files.size());
    const std::size_t stride =
        packages.empty() ? files.size() + 1 : files.size() / packages.size() + 1;
    auto package = packages.begin();
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (i % stride == 0 && package != packages.end()) all.push_back(std::move(*package++));
        all.push_back(std::move(files[i]));
    }
    std::move(package, packages.end(), std::back_inserter(all));
    return all;
}

}  // namespace

std::vector<Package> installed_packages() {
    std::vector<Package> packages;
    for_each_package([&](const std::string& name, const std::string& stanza) {
        const std::string_view section = field(stanza, "Section");
        const std::string_view description = field(stanza, "Description");
        if (section.empty() || description.empty()) return;
        packages.push_back({name, std::string(section.substr(section.rfind('/') + 1)),
                            std::string(description), lane_of_package(stanza)});
    });
    return packages;
}

Lane lane_of_package(std::string_view stanza) {
    const std::string_view priority = field(stanza, "Priority");
    const std::string_view section = field(stanza, "Section");
    if (field(stanza, "Essential") == "yes" || priority == "required") return Lane::critical;
    if (priority == "important" || priority == "standard") return Lane::high;
    constexpr std::array<std::string_view, 4> kLow{"doc", "localization", "oldlibs", "fonts"};
    return starts_with_any(section, kLow) ? Lane::low : Lane::normal;
}

Lane lane_of_file(std::string_view path) {
    constexpr std::array<std::string_view, 2> kCritical{"/boot/", "/usr/lib/systemd/"};
    constexpr std::array<std::string_view, 5> kHigh{"/etc/", "/bin/", "/sbin/", "/usr/bin/",
                                                    "/usr/sbin/"};
    constexpr std::array<std::string_view, 4> kLow{"/usr/share/doc", "/usr/share/man",
                                                   "/usr/share/locale", "/usr/share/info"};
    if (starts_with_any(path, kCritical)) return Lane::critical;
    if (starts_with_any(path, kHigh)) return Lane::high;
    return starts_with_any(path, kLow) ? Lane::low : Lane::normal;
}

std::vector<Record> read_records(std::size_t count_max) {
    std::vector<Record> packages = read_packages();
    packages.resize(std::min(packages.size(), count_max));
    std::vector<Record> files = read_files(count_max - packages.size());
    std::vector<Record> all = mixed(std::move(packages), std::move(files));
    for (std::size_t i = 0; i < all.size(); ++i)
        all[i].payload = std::to_string(i) + '\t' + all[i].payload;
    return all;
}

std::optional<std::size_t> number_of(std::string_view payload) {
    std::size_t number = 0;
    const auto [end, error] =
        std::from_chars(payload.data(), payload.data() + payload.size(), number);
    if (error != std::errc() || end == payload.data() + payload.size() || *end != '\t')
        return std::nullopt;
    return number;
}

std::uint64_t checksum(std::string_view bytes) {
    std::uint64_t hash = 0xCBF29CE484222325ull;
    for (const char c : bytes)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
    return hash;
}

}  // namespace casc::demo
