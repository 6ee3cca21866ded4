#include "accumulator.hpp"

#include "event_input.hpp"

#include <casc/client/partitioner.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>
#include <mutex>

namespace casc::client {
namespace {

// Every sealed batch is charged at least this, so the bound also bounds their number.
constexpr std::size_t kChargeMin = 4_KiB;

std::size_t ring_capacity(std::size_t in_flight_bytes) {
    return std::clamp<std::size_t>(in_flight_bytes / kChargeMin + 1, 64, 1u << 16);
}

bool is_plain(const Event& event) {
    return !event.key && event.headers.empty() && !event.message_id && !event.timestamp &&
           event.type.empty() && event.correlation_id.empty() && event.source.empty() &&
           event.destination.empty() && event.schema_version == 0 && event.time_to_live_ms == 0 &&
           event.deliver_at == EpochNanos{};
}

// What the event adds to its batch; a little more than the truth, and for a plain event exactly it.
std::size_t bytes_of(const Event& event) {
    std::size_t bytes = event.payload.size() + sizeof(std::uint32_t);
    if (is_plain(event)) return bytes;
    constexpr std::size_t kFixedColumns = 16 + 8 + 4 + 4 + 8 + 6 * sizeof(std::uint32_t);
    bytes += kFixedColumns + event.type.size() + event.correlation_id.size() + event.source.size() +
             event.destination.size();
    if (event.key) bytes += event.key->size();
    for (const wire::HeaderInput& header : event.headers)
        bytes += header.name.size() + header.value.size() + 6;
    return bytes;
}

}  // namespace

Accumulator::Accumulator(Settings settings, InFlightBound& bound, std::shared_ptr<ring::Waker> io)
    : Accumulator(settings, bound, io, ring::make_ring<DraftPtr>(ring_capacity(bound.limit()), io),
                  ring::make_ring<DraftPtr>(64)) {}

Accumulator::Accumulator(Settings settings, InFlightBound& bound, std::shared_ptr<ring::Waker> io,
                         ring::Ring<DraftPtr> sealed, ring::Ring<DraftPtr> spare)
    : settings_(settings),
      bound_(bound),
      io_(std::move(io)),
      slots_(std::size_t{settings.partitions} * kLaneCount),
      sealed_tx_(std::move(sealed.producer)),
      spare_rx_(std::move(spare.consumer)),
      sealed_rx_(std::move(sealed.consumer)),
      spare_tx_(std::move(spare.producer)) {}

// ---- the user's threads -------------------------------------------------------------------------

Result<void> Accumulator::add(const Event& event, DeliveryCallback& done) {
    const std::size_t bytes = bytes_of(event);
    CASC_TRY_VOID(check(event, bytes));
    bool wake = false;
    {
        const std::lock_guard lock(flag_);
        if (refusal_) return *refusal_;
        const std::uint32_t log =
            choose(event).value() * kLaneCount + static_cast<std::uint32_t>(event.lane);
        Slot& slot = slots_[log];
        // A batch keeps to its size: what does not fit begins the next one.
        if (slot.draft && (slot.draft->bytes + bytes > settings_.batch_bytes ||
                           slot.draft->builder.event_count() == wire::kBatchEventsMax)) {
            if (!seal(log)) return ErrorCode::queue_full;
        }
        if (!slot.draft) {
            if (!open(log, event.lane, bytes)) return ErrorCode::queue_full;
            wake = !std::exchange(io_knows_, true);
        } else if (!charge(*slot.draft, bytes)) {
            return ErrorCode::queue_full;
        }
        put(*slot.draft, event, bytes, done);
        // Full to the last event: no need to wait for the next one to find out. A full ring leaves
        // it to the linger.
        if (slot.draft->bytes + sizeof(std::uint32_t) >= settings_.batch_bytes)
            static_cast<void>(seal(log));
    }
    if (wake) {
        look_.store(true, std::memory_order_seq_cst);  // pairs with ready()
        io_->signal();
    }
    return {};
}

Result<void> Accumulator::check(const Event& event, std::size_t bytes) const {
    if (bytes > settings_.event_bytes_max) return ErrorCode::event_too_large;
    if (event.partition && event.partition->value() >= settings_.partitions)
        return ErrorCode::unknown_partition;
    for (const wire::HeaderInput& header : event.headers)
        if (header.name.size() > 0xFFFF)
            return Error(ErrorCode::invalid_request, "a header's name is too long");
    return {};
}

PartitionId Accumulator::choose(const Event& event) noexcept {
    if (event.partition) return *event.partition;
    if (event.key) return partition_of_key(*event.key, settings_.partitions);
    return PartitionId(sticky_[static_cast<std::size_t>(event.lane)]);
}

bool Accumulator::charge(Draft& draft, std::size_t bytes) noexcept {
    if (draft.bytes + bytes <= draft.charged) return true;
    const std::size_t step = std::max(kChargeStep, draft.bytes + bytes - draft.charged);
    if (!bound_.try_take(step)) return false;
    draft.charged += step;
    return true;
}

bool Accumulator::open(std::uint32_t log, Lane lane, std::size_t bytes) {
    DraftPtr draft;
    if (auto spare = spare_rx_.try_pop()) draft = std::move(*spare);
    if (!draft) draft = std::make_unique<Draft>();
    draft->reset(log, lane);
    if (!charge(*draft, bytes)) return false;
    draft->opened = std::chrono::steady_clock::now();
    Slot& slot = slots_[log];
    slot.draft = std::move(draft);
    slot.older = newest_;
    slot.newer = kNone;
    (newest_ == kNone ? oldest_ : slots_[newest_].newer) = log;
    newest_ = log;
    return true;
}

void Accumulator::put(Draft& draft, const Event& event, std::size_t bytes, DeliveryCallback& done) {
    if (done) draft.callbacks.push_back({draft.builder.event_count(), std::move(done)});
    // The clock is read once per batch, not per event.
    const EpochNanos now = draft.builder.empty() ? wall_now() : EpochNanos{};
    if (is_plain(event))
        draft.builder.add_payload(event.payload, now);
    else
        draft.builder.add(input_of(event), now);
    draft.bytes += bytes;
}

bool Accumulator::seal(std::uint32_t log) {
    DraftPtr draft = unlink(log);
    settle_charge(*draft);
    if (sealed_tx_.try_push(std::move(draft))) return true;
    // The ring is full: the draft goes back to where it was, as the newest of the open ones.
    Slot& slot = slots_[log];
    slot.draft = std::move(draft);
    slot.older = newest_;
    (newest_ == kNone ? oldest_ : slots_[newest_].newer) = log;
    newest_ = log;
    return false;
}

DraftPtr Accumulator::unlink(std::uint32_t log) noexcept {
    Slot& slot = slots_[log];
    (slot.older == kNone ? oldest_ : slots_[slot.older].newer) = slot.newer;
    (slot.newer == kNone ? newest_ : slots_[slot.newer].older) = slot.older;
    slot.older = slot.newer = kNone;
    const std::uint32_t partition = log / kLaneCount;
    std::uint32_t& sticky = sticky_[log % kLaneCount];
    if (sticky == partition) sticky = (partition + 1) % settings_.partitions;
    return std::move(slot.draft);
}

void Accumulator::settle_charge(Draft& draft) noexcept {
    const std::size_t needed = std::max(draft.bytes, kChargeMin);
    if (draft.charged <= needed) return;
    bound_.give_back_quietly(draft.charged - needed);
    draft.charged = needed;
}

void Accumulator::refuse_from_now(Error why) {
    const std::lock_guard lock(flag_);
    if (!refusal_) refusal_ = std::move(why);
}

void Accumulator::hurry() noexcept {
    if (hurry_.exchange(true, std::memory_order_seq_cst)) return;
    io_->signal();
}

// ---- the I/O thread -----------------------------------------------------------------------------

bool Accumulator::ready() noexcept {
    return look_.load(std::memory_order_seq_cst) || hurry_.load(std::memory_order_seq_cst) ||
           sealed_rx_.ready();
}

bool Accumulator::collect(std::chrono::steady_clock::time_point now, bool everything,
                          std::vector<DraftPtr>& into) {
    const auto take_sealed = [&] {
        sealed_rx_.drain([&](DraftPtr&& draft) { into.push_back(std::move(draft)); });
    };
    take_sealed();
    const bool look = look_.load(std::memory_order_seq_cst);
    if (!look && !everything && now < next_due_) return true;
    if (!flag_.try_lock()) return false;
    const std::lock_guard lock(flag_, std::adopt_lock);
    look_.store(false, std::memory_order_seq_cst);
    // Again, now that nothing can be pushed: what was sealed comes before what is still open in the
    // same log.
    take_sealed();
    while (oldest_ != kNone &&
           (everything || slots_[oldest_].draft->opened + settings_.linger <= now)) {
        into.push_back(unlink(oldest_));
        settle_charge(*into.back());
    }
    io_knows_ = oldest_ != kNone;
    next_due_ = io_knows_ ? slots_[oldest_].draft->opened + settings_.linger
                          : std::chrono::steady_clock::time_point::max();
    return true;
}

void Accumulator::give_back(DraftPtr draft) noexcept {
    // No room among the spares: it is freed.
    static_cast<void>(spare_tx_.try_push(std::move(draft)));
}

}  // namespace casc::client
