#pragma once
// What was measured, held against what is asked of it.

#include <string>
#include <vector>

namespace casc::gpu {

struct Bar {
    std::string name;
    double measured = 0;
    double asked = 0;
    bool is_least = true;  // and not the most that it may be
    std::string unit{};    // "%"

    [[nodiscard]] bool is_reached() const {
        return is_least ? measured >= asked : measured <= asked;
    }
};

void print(const std::vector<Bar>& bars);

}  // namespace casc::gpu
