#include <casc/types/fail_point.hpp>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>
#include <unistd.h>

namespace casc {

#ifdef CASC_FAIL_POINTS
namespace {

struct Armed {
    std::string name;
    std::atomic<long> passes_left{0};

    Armed() {
        const char* setting = std::getenv("CASC_FAIL_POINT");
        if (setting == nullptr) return;
        const std::string_view text{setting};
        const auto colon = text.find(':');
        name = text.substr(0, colon);
        long passes = 1;
        if (colon != std::string_view::npos)
            std::from_chars(text.data() + colon + 1, text.data() + text.size(), passes);
        passes_left = passes;
    }
};

// The one bug that is let loose.
std::string& seeded() {
    static std::string name = [] {
        const char* setting = std::getenv("CASC_SEEDED_BUG");
        return std::string(setting == nullptr ? "" : setting);
    }();
    return name;
}

}  // namespace

bool seeded_bug(std::string_view name) noexcept {
    const std::string& bug = seeded();
    return !bug.empty() && bug == name;
}

void seed_bug(std::string_view name) {
    seeded() = name;
}

void fail_point(std::string_view name) noexcept {
    static Armed armed;
    if (armed.name.empty() || name != armed.name) return;
    if (armed.passes_left.fetch_sub(1, std::memory_order_relaxed) == 1) ::kill(::getpid(), SIGKILL);
}
#endif

}  // namespace casc
