#include "payload.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>

namespace casc::bench {
namespace {

constexpr std::size_t kSupplyBytes = 1u << 20;

}  // namespace

Payloads::Payloads(std::size_t payload_bytes) : payload_bytes_(payload_bytes) {
    if (payload_bytes < kPayloadBytesMin) {
        throw std::runtime_error("--size must be at least " + std::to_string(kPayloadBytesMin) +
                                 ": every event says which one it is");
    }
    const std::size_t bytes =
        std::max<std::size_t>(4, kSupplyBytes / payload_bytes) * payload_bytes;
    std::mt19937 random(1);
    memory_.reserve(bytes + 64);
    while (memory_.size() < bytes) {
        const std::string field =
            "\"field_" + std::to_string(random() % 16) + "\":" + std::to_string(random()) + ',';
        const auto* first = reinterpret_cast<const std::byte*>(field.data());
        memory_.insert(memory_.end(), first, first + field.size());
    }
    memory_.resize(bytes);
}

}  // namespace casc::bench
