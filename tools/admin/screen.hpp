#pragma once
// tools/admin/screen.hpp: a terminal that is redrawn, and waited at for a key.
// Thread: one at a time. Lifetime: the destructor gives the terminal back as it was.

#include <chrono>
#include <string_view>
#include <termios.h>

namespace casc::admin {

class Screen {
public:
    Screen();
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // Replaces what is shown by `text`, cut to the lines that there are.
    void draw(std::string_view text);
    // Waits at most `time`; false when the user wants to leave (q, Ctrl-C).
    [[nodiscard]] bool wait(std::chrono::milliseconds time);

private:
    termios before_{};
    bool keys_ = false;  // stdin is a terminal, too
};

// The same without a screen: false once interrupted.
[[nodiscard]] bool wait_unless_interrupted(std::chrono::milliseconds time);

}  // namespace casc::admin
