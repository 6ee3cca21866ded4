#pragma once
// A line that shows how far a run is, for somebody who watches. Nothing at all when standard error
// is not a terminal.
//
// Thread: one; it rewrites its line at most ten times a second, so it may be called often.

#include <chrono>
#include <string>
#include <string_view>

namespace casc::bench {

class Progress {
public:
    explicit Progress(std::string title);
    ~Progress();  // removes the line
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // `share` of the work is done, between 0 and 1; `note` stands behind the bar.
    void show(double share, std::string_view note = {});

private:
    using Clock = std::chrono::steady_clock;
    const std::string title_;
    const bool visible_;
    const Clock::time_point started_ = Clock::now();
    Clock::time_point shown_{};
};

}  // namespace casc::bench
