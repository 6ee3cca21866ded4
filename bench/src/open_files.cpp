#include "open_files.hpp"

#include "host.hpp"

#include <stdexcept>
#include <string>

namespace casc::bench {

void require_open_files(std::uint64_t needed, std::uint64_t wanted) {
    const std::uint64_t allowed = allow_open_files(wanted);
    if (allowed >= needed) return;
    throw std::runtime_error(
        "what stands beside the workload needs " + std::to_string(needed) + " open files, and " +
        std::to_string(allowed) +
        " are allowed: raise the hard limit (ulimit -Hn, LimitNOFILE), or give smaller "
        "--idle-connections and --slow-consumer");
}

}  // namespace casc::bench
