#include "bars.hpp"

#include <cstdio>

namespace casc::gpu {

void print(const std::vector<Bar>& bars) {
    for (const Bar& bar : bars)
        std::printf("  %-58s %9.2f%-2s %s %7.2f%-2s %s\n", bar.name.c_str(), bar.measured,
                    bar.unit.c_str(), bar.is_least ? ">=" : "<=", bar.asked, bar.unit.c_str(),
                    bar.is_reached() ? "reached" : "MISSED");
}

}  // namespace casc::gpu
