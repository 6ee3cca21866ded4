#include "workload.hpp"

#include <array>

namespace casc::bench {

// One line per workload_<name>.cpp.
extern const Workload kCodecWorkload;
extern const Workload kRingWorkload;

std::span<const Workload> workloads() {
    static const std::array all{kCodecWorkload, kRingWorkload};
    return all;
}

}  // namespace casc::bench
