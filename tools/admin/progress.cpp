#include "progress.hpp"

#include "values.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace casc::admin {

namespace {

constexpr std::chrono::milliseconds kInterval{100};
constexpr std::size_t kWidth = 30;

}  // namespace

Progress::Progress(std::string what, const Output& out)
    : what_(std::move(what)), visible_(!out.quiet() && is_terminal(STDERR_FILENO)) {}

Progress::~Progress() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
}

void Progress::show(std::uint64_t done, std::uint64_t all) {
    const auto now = std::chrono::steady_clock::now();
    if (!visible_ || now < next_) return;
    next_ = now + kInterval;
    shown_ = true;
    std::string line = what_ + " ";
    if (all == 0) {
        line += format_bytes(static_cast<double>(done));
    } else {
        const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
        const auto filled = static_cast<std::size_t>(share * kWidth);
        line += "[" + std::string(filled, '#') + std::string(kWidth - filled, ' ') + "] " +
                std::to_string(static_cast<int>(share * 100)) + "% of " +
                format_bytes(static_cast<double>(all));
    }
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    std::fflush(stderr);
}

}  // namespace casc::admin
