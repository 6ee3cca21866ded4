#pragma once
// What the workloads send: payloads that say who sent them and as which one, so that a reader can
// prove that nothing is missing, doubled or out of place.
//
// Thread: one at a time.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

namespace casc::bench {

// The first bytes of every payload.
struct PayloadHead {
    std::uint64_t sequence;  // counted per producer, from 0
    std::uint32_t producer;
    std::uint32_t run;  // the same for all of one run, so that leftovers of another one are seen
    std::int64_t intended;  // when it should have been sent, CLOCK_MONOTONIC nanoseconds; only
                            // workloads that measure it
};
// Payloads that small leave out `intended`.
inline constexpr std::size_t kPayloadBytesMin = offsetof(PayloadHead, intended);
inline constexpr std::size_t kTimedPayloadBytesMin = sizeof(PayloadHead);

inline PayloadHead head_of(std::span<const std::byte> payload) {
    PayloadHead head{};
    std::memcpy(&head, payload.data(),
                payload.size() < sizeof head ? kPayloadBytesMin : sizeof head);
    return head;
}

// The keys of events: so many different ones, of eight bytes each, or none.
class Keys {
public:
    explicit Keys(std::uint32_t count) : count_(count) {}

    // Valid until the next call. The same for the same event; scattered, because keys in turn would
    // go to topics and partitions in turn.
    [[nodiscard]] std::optional<std::span<const std::byte>> of(std::uint64_t sequence) {
        if (count_ == 0) return {};
        number_ = (sequence * 0x9E3779B97F4A7C15ull >> 32) % count_;
        return std::as_bytes(std::span(&number_, 1));
    }

private:
    const std::uint32_t count_;
    std::uint64_t number_ = 0;
};

// A supply of different payloads of one size, about a MiB of them, handed out in turn. Behind the
// head they look like JSON, which LZ4 makes about half as long.
class Payloads {
public:
    explicit Payloads(std::size_t payload_bytes);

    // Valid until the supply has come round.
    [[nodiscard]] std::span<const std::byte> next(const PayloadHead& head) {
        std::byte* const at = memory_.data() + at_;
        std::memcpy(at, &head, payload_bytes_ < sizeof head ? kPayloadBytesMin : sizeof head);
        at_ = at_ + payload_bytes_ == memory_.size() ? 0 : at_ + payload_bytes_;
        return {at, payload_bytes_};
    }

private:
    const std::size_t payload_bytes_;
    std::vector<std::byte> memory_;
    std::size_t at_ = 0;
};

}  // namespace casc::bench
