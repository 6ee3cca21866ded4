#include "workload.hpp"

#include <array>

namespace casc::bench {

// One line per workload_<name>.cpp.
extern const Workload kCodecWorkload;
extern const Workload kConsumeWorkload;
extern const Workload kE2eWorkload;
extern const Workload kFilterWorkload;
extern const Workload kInferWorkload;
extern const Workload kPriorityWorkload;
extern const Workload kProduceWorkload;
extern const Workload kQueueWorkload;
extern const Workload kRequestWorkload;
extern const Workload kRingWorkload;
extern const Workload kScaleWorkload;
extern const Workload kStorageWorkload;
extern const Workload kTopicsWorkload;
extern const Workload kVolatileWorkload;

std::span<const Workload> workloads() {
    static const std::array all{
        kProduceWorkload,  kConsumeWorkload, kFilterWorkload,   kQueueWorkload,   kE2eWorkload,
        kPriorityWorkload, kRequestWorkload, kVolatileWorkload, kStorageWorkload, kTopicsWorkload,
        kScaleWorkload,    kRingWorkload,    kCodecWorkload,    kInferWorkload};
    return all;
}

}  // namespace casc::bench
