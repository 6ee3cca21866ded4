#include "golden_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace casc::golden {
namespace {

constexpr std::string_view kDivider = "---\n";
constexpr std::size_t kBytesPerLine = 16;
constexpr std::size_t kPositionDigits = 8;

std::string hex(std::size_t number, std::size_t digits) {
    std::string text(digits, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit, number >>= 4)
        *digit = "0123456789abcdef"[number & 15];
    return text;
}

}  // namespace

std::filesystem::path folder() {
    return std::filesystem::path(CASC_SOURCE_DIR) / "tests" / "golden" / "v1";
}

std::vector<std::filesystem::path> all_files() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder()))
        if (entry.path().extension() == ".golden") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

File read_file(const std::filesystem::path& path) {
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot read " + path.string());
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    const auto divider = content.find(kDivider);
    if (divider == std::string::npos) throw std::runtime_error("no divider in " + path.string());
    return {from_hexdump(content.substr(0, divider)), content.substr(divider + kDivider.size())};
}

bool write_new_file(const std::filesystem::path& path, const File& file) {
    if (std::filesystem::exists(path)) return false;
    std::ofstream out(path);
    out << hexdump(file.bytes) << kDivider << file.text;
    out.close();
    if (!out) throw std::runtime_error("cannot write " + path.string());
    return true;
}

std::string hexdump(std::span<const std::byte> bytes) {
    std::string lines;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        if (at % kBytesPerLine == 0) lines += hex(at, kPositionDigits) + ' ';
        if (at % 8 == 0) lines += ' ';
        lines += hex(static_cast<std::size_t>(bytes[at]), 2);
        lines += (at % kBytesPerLine == kBytesPerLine - 1 || at + 1 == bytes.size()) ? '\n' : ' ';
    }
    return lines;
}

Bytes from_hexdump(const std::string& lines) {
    Bytes bytes;
    std::istringstream in(lines);
    std::string line;
    while (std::getline(in, line)) {
        std::istringstream words(line);
        std::string word;
        if (!(words >> word) || word != hex(bytes.size(), kPositionDigits))
            throw std::runtime_error("not the next line of a hexdump: " + line);
        while (words >> word)
            bytes.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
    }
    return bytes;
}

bool writing_is_asked_for() {
    const char* asked = std::getenv("CASC_GOLDEN_WRITE");
    return asked != nullptr && std::string_view(asked) == "1";
}

}  // namespace casc::golden
