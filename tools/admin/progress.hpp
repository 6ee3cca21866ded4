#pragma once
// tools/admin/progress.hpp: a bar on stderr for work that takes long; nothing when nobody watches.
//
//   Progress progress("verifying", session.out());
//   progress.show(done, all);
//
// Thread: one at a time. The destructor clears the line.

#include "output.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace casc::admin {

class Progress {
public:
    Progress(std::string what, const Output& out);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // Bytes, or `all` == 0 when nobody knows how much there is. Cheap to call often.
    void show(std::uint64_t done, std::uint64_t all);

private:
    const std::string what_;
    const bool visible_;
    std::chrono::steady_clock::time_point next_{};
    bool shown_ = false;
};

}  // namespace casc::admin
