#include "screen.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

namespace casc::demo {

namespace {

constexpr std::size_t kBarWidth = 30;

}  // namespace

Screen::Screen()
    : moving_(::isatty(STDERR_FILENO) == 1),
      coloured_(::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr) {}

Screen::~Screen() {
    clear_progress();
}

void Screen::clear_progress() {
    if (!progress_shown_) return;
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    progress_shown_ = false;
}

void Screen::heading(std::string_view text) {
    clear_progress();
    std::printf("%s%.*s%s\n", coloured_ ? "\n\033[1m" : "\n", static_cast<int>(text.size()),
                text.data(), coloured_ ? "\033[0m" : "");
    std::fflush(stdout);
}

void Screen::note(std::string_view text) {
    clear_progress();
    std::printf("  %.*s\n", static_cast<int>(text.size()), text.data());
    std::fflush(stdout);
}

void Screen::progress(std::string_view what, std::size_t done, std::size_t total) {
    if (!moving_ || total == 0) return;
    const std::size_t filled = kBarWidth * std::min(done, total) / total;
    const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
    std::fprintf(stderr, "\r\033[K  [%s] %s of %s %.*s", bar.c_str(), grouped(done).c_str(),
                 grouped(total).c_str(), static_cast<int>(what.size()), what.data());
    std::fflush(stderr);
    progress_shown_ = true;
}

void Screen::check(std::string_view fact, std::string_view problem) {
    clear_progress();
    const bool passed = problem.empty();
    if (!passed) ++failed_;
    const char* colour = !coloured_ ? "" : passed ? "\033[32m" : "\033[31m";
    std::printf("  %s%s%s %.*s", colour, passed ? "\u2713" : "\u2717", coloured_ ? "\033[0m" : "",
                static_cast<int>(fact.size()), fact.data());
    if (!passed) std::printf(": %.*s", static_cast<int>(problem.size()), problem.data());
    std::puts("");
    std::fflush(stdout);
}

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, 1, ',');
    }
    return digits;
}

std::string duration_text(std::int64_t nanos) {
    struct Unit {
        double factor;
        const char* name;
    };
    constexpr std::array kUnits{Unit{1e9, "s"}, Unit{1e6, "ms"}, Unit{1e3, "us"}};
    for (const Unit& unit : kUnits) {
        const double value = static_cast<double>(nanos) / unit.factor;
        if (value < 1 && unit.factor > 1e3) continue;
        std::array<char, 32> text;
        std::snprintf(text.data(), text.size(), value < 100 ? "%.2f %s" : "%.0f %s", value,
                      unit.name);
        return text.data();
    }
    return "0 us";
}

}  // namespace casc::demo
