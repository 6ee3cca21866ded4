#pragma once
// screen.hpp: what the demo shows: a heading per step, a moving line while it runs, a tick per
// checked fact.

#include <string>
#include <string_view>

namespace casc::demo {

// Headings and ticks go to standard output, the moving line to standard error and only when that is
// a terminal. Thread: main.
class Screen {
public:
    Screen();
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    void heading(std::string_view text);
    void note(std::string_view text);
    void progress(std::string_view what, std::size_t done, std::size_t total);
    // A tick when `problem` is empty, otherwise a cross and the problem.
    void check(std::string_view fact, std::string_view problem);
    [[nodiscard]] bool all_passed() const { return failed_ == 0; }

private:
    void clear_progress();
    const bool moving_;
    const bool coloured_;
    bool progress_shown_ = false;
    std::size_t failed_ = 0;
};

// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);
// 12'300 ns as "12.3 us", and so on.
[[nodiscard]] std::string duration_text(std::int64_t nanos);

}  // namespace casc::demo
