#include "screen.hpp"

#include "interrupt.hpp"

#include <algorithm>
#include <cstdio>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>

namespace casc::admin {

namespace {

constexpr std::string_view kOtherScreen = "\x1b[?1049h\x1b[?25l";  // and no cursor
constexpr std::string_view kFirstScreen = "\x1b[?25h\x1b[?1049l";

void write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

std::size_t lines_of_terminal() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) return 24;
    return size.ws_row;
}

}  // namespace

Screen::Screen() {
    if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
        keys_ = true;
        termios raw = before_;
        raw.c_lflag &=
            static_cast<tcflag_t>(~(ICANON | ECHO));  // single keys; Ctrl-C stays a signal
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    write(kOtherScreen);
}

Screen::~Screen() {
    write(kFirstScreen);
    if (keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void Screen::draw(std::string_view text) {
    std::string out = "\x1b[H";
    std::size_t lines = lines_of_terminal() - 1;
    for (; !text.empty() && lines > 0; --lines) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        out.append(text.substr(0, end)).append("\x1b[K\n");
        text.remove_prefix(std::min(text.size(), end + 1));
    }
    write(out + "\x1b[J");
}

bool Screen::wait(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until - std::chrono::steady_clock::now());
        if (interrupted()) return false;
        if (left.count() <= 0) return true;
        pollfd key{STDIN_FILENO, POLLIN, 0};
        const int ready = ::poll(&key, keys_ ? 1 : 0, static_cast<int>(left.count()));
        if (ready <= 0) continue;  // time, or a signal: the loop finds out which
        char c = 0;
        if (::read(STDIN_FILENO, &c, 1) != 1)
            keys_ = false;
        else if (c == 'q' || c == 'Q')
            return false;
        else if (c == ' ')
            return true;
    }
}

bool wait_unless_interrupted(std::chrono::milliseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            until - std::chrono::steady_clock::now());
        if (interrupted()) return false;
        if (left.count() <= 0) return true;
        ::poll(nullptr, 0, static_cast<int>(left.count()));  // a signal ends it early
    }
}

}  // namespace casc::admin
