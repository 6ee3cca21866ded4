#include "progress.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace casc::bench {

Progress::Progress(std::string title)
    : title_(std::move(title)), visible_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (visible_) std::fputs("\r\033[K", stderr);
}

void Progress::show(double share, std::string_view note) {
    const auto now = Clock::now();
    if (!visible_ || now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    constexpr int kWidth = 40;
    const int filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * kWidth);
    const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                            std::string(static_cast<std::size_t>(kWidth - filled), '.');
    const double elapsed = std::chrono::duration<double>(now - started_).count();
    std::fprintf(stderr, "\r\033[K%s [%s] %3.0f %%  %.1f s  %.*s", title_.c_str(), bar.c_str(),
                 share * 100, elapsed, static_cast<int>(note.size()), note.data());
    std::fflush(stderr);
}

}  // namespace casc::bench
