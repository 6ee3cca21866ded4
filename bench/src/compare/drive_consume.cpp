// `consume`: everything that is stored, several times over.

#include "drive.hpp"
#include "payload.hpp"
#include "quantities.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

namespace casc::bench::compare {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kReadPatience{30};
constexpr std::uint32_t kPassesMin = 2;  // the first of them to warm up

// Events per second, from making the reader until the last event is in hand.
double read_pass(const MakeReader& make, const Case& asked, std::uint32_t pass) {
    const std::uint64_t wanted = asked.stored_events();
    std::uint64_t taken = 0;
    std::uint64_t misplaced = 0;
    const Take take = [&](std::span<const std::byte> payload) {
        if (payload.size() != asked.payload_bytes || head_of(payload).sequence != taken)
            ++misplaced;
        ++taken;
    };
    const auto began = Clock::now();
    const auto reader = make(pass);
    for (auto last = began; taken < wanted;) {
        const std::uint64_t before = taken;
        reader->receive(take);
        const auto now = Clock::now();
        if (taken > before) last = now;
        if (now - last > kReadPatience)
            throw std::runtime_error("reading stopped after " + std::to_string(taken) + " of " +
                                     std::to_string(wanted) + " events");
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    if (misplaced > 0 || taken != wanted)
        throw std::runtime_error(std::to_string(misplaced) + " events misplaced, " +
                                 std::to_string(taken) + " instead of " + std::to_string(wanted));
    return static_cast<double>(wanted) / seconds;
}

}  // namespace

Sample drive_consume(const MakeReader& make, const Case& asked) {
    std::vector<double> rates;
    const auto began = Clock::now();
    for (std::uint32_t pass = 0; pass < kPassesMin || Clock::now() - began < asked.duration;
         ++pass) {
        const double rate = read_pass(make, asked, pass);
        if (pass > 0) rates.push_back(rate);
    }
    return {median(rates), 0, 0};
}

}  // namespace casc::bench::compare
