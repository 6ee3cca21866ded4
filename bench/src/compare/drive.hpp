#pragma once
// The workloads as peers are asked: the same schedules, payloads, windows of time and proofs as
// casc's own, over whatever clients (roles.hpp) a peer gives.
//
// Thread: the caller's, and others while a call lasts.

#include "case.hpp"
#include "roles.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace casc::bench::compare {

// Until the duration has passed and all is acknowledged; events from the end of the warm-up on.
// Each writer has a thread. `sent`: by all of them, the warm-up included.
[[nodiscard]] Sample drive_produce(const std::vector<std::unique_ptr<Writer>>& writers,
                                   const Case& asked, std::uint64_t& sent);

// Writes what `drive_consume` reads.
void fill(Writer& writer, const Case& asked);
// A reader of everything from the start, as nobody before it; made anew for each pass.
using MakeReader = std::function<std::unique_ptr<Reader>(std::uint32_t pass)>;
// Reads all several times over; the first pass is to warm up. Throws when an event is missing,
// doubled or out of order.
[[nodiscard]] Sample drive_consume(const MakeReader& make, const Case& asked);

// Both are there, with nothing on its way.
[[nodiscard]] Sample drive_e2e(Writer& writer, Reader& reader, const Case& asked);

[[nodiscard]] Sample drive_request(Requester& requester, Responder& responder, const Case& asked);

// Everything of each writer to each reader, within a window of what the slowest has got, which all
// writers share. An acknowledgement is nothing to wait for here. Throws when an event of anybody is
// missing, doubled or out of order.
[[nodiscard]] Sample drive_volatile(const std::vector<std::unique_ptr<Writer>>& writers,
                                    const std::vector<std::unique_ptr<Reader>>& readers,
                                    const Case& asked);

}  // namespace casc::bench::compare
