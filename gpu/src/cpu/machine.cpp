#include "cpu/machine.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>
#include <sched.h>
#include <string>
#include <thread>

namespace casc::gpu::cpu {

std::size_t usable_processors() noexcept {
    cpu_set_t usable;
    // It fails on machines of more processors than a cpu_set_t has, 1024.
    const std::size_t count = ::sched_getaffinity(0, sizeof usable, &usable) == 0
                                  ? static_cast<std::size_t>(CPU_COUNT(&usable))
                                  : std::thread::hardware_concurrency();
    return std::max<std::size_t>(count, 1);
}

std::optional<std::uint64_t> available_memory_bytes() {
    std::ifstream file("/proc/meminfo");
    return available_memory_bytes(std::string{std::istreambuf_iterator<char>(file), {}});
}

std::optional<std::uint64_t> available_memory_bytes(std::string_view meminfo) {
    constexpr std::string_view kName = "\nMemAvailable:";
    constexpr std::uint64_t kKibMax = std::numeric_limits<std::uint64_t>::max() >> 10;
    const std::size_t at = meminfo.find(kName);
    if (at == meminfo.npos) return std::nullopt;
    std::string_view rest = meminfo.substr(at + kName.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    std::uint64_t kib = 0;
    const auto [end, why] = std::from_chars(rest.data(), rest.data() + rest.size(), kib);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (why != std::errc{} || !rest.starts_with(" kB") || kib > kKibMax) return std::nullopt;
    return kib << 10;
}

}  // namespace casc::gpu::cpu
