#include "request_port.hpp"

#include "event_input.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::client {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kSlotBits = 16;
// What gathers for the socket is written when there is so much of it: the broker works on it while
// the next ones are being made.
constexpr std::size_t kRequestFlushBytes = 4_KiB;

// When the time of a request to all is over the broker says what there is; only without a word from
// it the client gives up.
constexpr std::chrono::seconds kGatherGrace{1};

Error closed() {
    return Error(ErrorCode::cancelled, "the client is closed");
}

// At least 1: the broker takes 0 for nonsense.
std::uint32_t ms_until(SteadyTime deadline) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    return static_cast<std::uint32_t>(
        std::clamp<std::int64_t>(left, 1, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

RequestPort::RequestPort(Core& core) : core_(core), timer_(core.timers()) {}

// ---- from anywhere ------------------------------------------------------------------------------

Result<void> RequestPort::check(const RequestHead& head, const Event& event) const {
    if (head.subject.empty()) return Error(ErrorCode::invalid_request, "a request needs a subject");
    if (event.lane > Lane::low) return Error(ErrorCode::unknown_lane);
    return wire::check_event(input_of(event));
}

std::span<const std::byte> RequestPort::encode(wire::BatchBuilder& builder, const Event& event,
                                               std::vector<std::byte>& into) {
    builder.reset(event.lane);
    builder.add(input_of(event), wall_now());
    return builder.finish({}, into);
}

RequestId RequestPort::start(const RequestHead& head, const Event& event, RequestDone done,
                             RequestPart on_part) {
    if (core_.has_turn()) return start_in_turn(head, event, std::move(done), std::move(on_part));
    {
        // Whoever could be woken for it would be woken to do just this.
        const Core::Turn turn(core_);
        if (turn) return start_in_turn(head, event, std::move(done), std::move(on_part));
    }
    if (const auto checked = check(head, event); !checked) {
        done(checked.error());
        return {};
    }
    const std::uint64_t number = last_number_.fetch_add(1, std::memory_order_relaxed) + 1;
    Queued queued{std::string(head.subject), head,   {}, std::move(done),
                  std::move(on_part),        number, 0};
    wire::BatchBuilder builder;
    encode(builder, event, queued.batch);
    std::unique_lock lock(mutex_);
    if (!accepts_ || queued_.size() >= kUnderWayMax) {
        const Error why =
            accepts_ ? Error(ErrorCode::queue_full, "too many requests are under way") : closed();
        lock.unlock();
        queued.done(why);
        return {};
    }
    queued_.push_back(std::move(queued));
    has_news_.store(true, std::memory_order_seq_cst);
    lock.unlock();
    core_.waker()->signal();
    return {number};
}

void RequestPort::cancel(RequestId request) {
    tell({request, 0, 0});
}

void RequestPort::grant(RequestId request, std::uint64_t responder, std::uint64_t bytes) {
    if (bytes != 0) tell({request, responder, bytes});
}

void RequestPort::tell(Order order) {
    if (core_.has_turn()) return carry_out(order);
    {
        const std::lock_guard lock(mutex_);
        orders_.push_back(order);
        has_news_.store(true, std::memory_order_seq_cst);
    }
    core_.waker()->signal();
}

// ---- in the turn --------------------------------------------------------------------------------

RequestId RequestPort::start_in_turn(const RequestHead& head, const Event& event, RequestDone done,
                                     RequestPart on_part) {
    if (const auto checked = check(head, event); !checked) {
        done(checked.error());
        return {};
    }
    const std::uint64_t number = last_number_.fetch_add(1, std::memory_order_relaxed) + 1;
    begin(head, encode(builder_, event, batch_), number, std::move(done), std::move(on_part));
    return {number};
}

void RequestPort::begin(const RequestHead& head, std::span<const std::byte> batch,
                        std::uint64_t number, RequestDone done, RequestPart on_part) {
    if (stopped_) return done(closed());
    if (under_way_ >= kUnderWayMax)
        return done(Error(ErrorCode::queue_full, "too many requests are under way"));
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint32_t>(slots_.size()));
        slots_.emplace_back();
    }
    const std::uint32_t at = free_.back();
    free_.pop_back();
    ++under_way_;
    Slot& slot = slots_[at];
    slot.deadline = head.deadline + (head.mode == 0 ? Clock::duration::zero() : kGatherGrace);
    slot.number = number;
    slot.done = std::move(done);
    slot.on_part = std::move(on_part);
    if (!armed_for_ || slot.deadline < *armed_for_) arm(slot.deadline);
    if (core_.link() != nullptr) return send(at, head, batch);
    slot.state = Slot::State::unsent;
    unsent_.push_back(
        {std::string(head.subject), head, {batch.begin(), batch.end()}, {}, {}, number, at});
}

void RequestPort::send(std::uint32_t at, const RequestHead& head,
                       std::span<const std::byte> batch) {
    Link& link = *core_.link();
    const auto body = encoder_.build([&](flatbuffers::FlatBufferBuilder& builder) {
        const auto subject = builder.CreateString(head.subject.data(), head.subject.size());
        return wire::fb::CreateRequest(builder, subject, ms_until(head.deadline), head.mode,
                                       head.quorum, head.credit_bytes);
    });
    const std::size_t framed = wire::framed_bytes(body.size());
    const std::size_t bytes = framed + batch.size();
    if (link.broker().frame_bytes_max != 0 && bytes > link.broker().frame_bytes_max)
        return finish(at, Error(ErrorCode::event_too_large, "the broker takes smaller frames"));
    slots_[at].state = Slot::State::sent;
    const auto room = link.room(bytes);
    wire::write_frame(room, wire::FrameKind::request, wire::Api::request, correlation_of(at), body,
                      batch.size());
    std::memcpy(room.data() + framed, batch.data(), batch.size());
    if (link.unwritten_bytes() >= kRequestFlushBytes) link.flush();
}

bool RequestPort::drain() {
    if (!has_news_.load(std::memory_order_relaxed)) return false;
    {
        const std::lock_guard lock(mutex_);
        taken_.swap(queued_);
        taken_orders_.swap(orders_);
        has_news_.store(false, std::memory_order_relaxed);
    }
    for (Queued& queued : taken_) {
        queued.head.subject = queued.subject;
        begin(queued.head, queued.batch, queued.number, std::move(queued.done),
              std::move(queued.on_part));
    }
    for (const Order& order : taken_orders_)
        carry_out(order);
    taken_.clear();
    taken_orders_.clear();
    return true;
}

template <class Message>
void RequestPort::send_one_way(wire::Api api, const Message& message) {
    if (core_.link() == nullptr) return;
    const auto body = encoder_.encode(message);
    const auto room = core_.link()->room(wire::framed_bytes(body.size()));
    wire::write_frame(room, wire::FrameKind::one_way, api, 0, body, 0);
}

void RequestPort::carry_out(const Order& order) {
    const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
        return slot.state != Slot::State::free && slot.number == order.request.value;
    });
    if (found == slots_.end()) return;
    const auto at = static_cast<std::uint32_t>(found - slots_.begin());
    const bool is_sent = found->state == Slot::State::sent;
    if (order.bytes != 0) {
        if (!is_sent) return;
        wire::fb::PartCreditT credit;
        credit.request = correlation_of(at);
        credit.responder = order.responder;
        credit.bytes = order.bytes;
        return send_one_way(wire::Api::part_credit, credit);
    }
    if (is_sent) {
        wire::fb::CancelRequestT cancel;
        cancel.request = correlation_of(at);
        send_one_way(wire::Api::cancel_request, cancel);
    }
    finish(at, ErrorCode::cancelled);
}

// ---- answers ------------------------------------------------------------------------------------

std::uint32_t RequestPort::correlation_of(std::uint32_t slot) const noexcept {
    return Core::kOwnNumbers | std::uint32_t{slots_[slot].generation} << kSlotBits | slot;
}

RequestPort::Slot* RequestPort::find(std::uint32_t correlation_id) noexcept {
    const std::uint32_t at = correlation_id & ((1u << kSlotBits) - 1);
    if (at >= slots_.size() || slots_[at].state != Slot::State::sent ||
        correlation_of(at) != correlation_id)
        return nullptr;
    return &slots_[at];
}

bool RequestPort::answered(const wire::Frame& frame) {
    const Slot* const slot = find(frame.header.correlation_id);
    if (slot == nullptr) return true;  // it came after its deadline
    const auto at = static_cast<std::uint32_t>(slot - slots_.data());
    if (frame.header.kind == wire::FrameKind::error) {
        finish(at, error_of(frame));
    } else {
        finish(at, Reply{frame.body, frame.attachments});
    }
    return true;
}

bool RequestPort::pushed(const wire::Frame& frame, const BufferRef&) {
    if (frame.header.api != wire::Api::reply_part) return false;
    const auto part = wire::view<wire::fb::ReplyPart>(frame.body);
    if (!part) {
        core_.give_up_link(part.error());
        return true;
    }
    Slot* const slot = find((*part)->request());
    if (slot == nullptr || !slot->on_part) return true;
    // A copy: the callback may start requests, which moves the slots.
    const RequestPart on_part = slot->on_part;
    on_part(**part, frame.attachments);
    return true;
}

void RequestPort::finish(std::uint32_t at, Result<Reply> outcome) {
    Slot& slot = slots_[at];
    const RequestDone done = std::move(slot.done);
    slot.done = nullptr;
    slot.on_part = nullptr;
    slot.state = Slot::State::free;
    slot.generation = static_cast<std::uint16_t>((slot.generation + 1) & 0x7FFF);
    free_.push_back(at);
    --under_way_;
    done(std::move(outcome));
}

// ---- the connection, time, the end --------------------------------------------------------------

void RequestPort::connected() {
    for (Queued& queued : std::exchange(unsent_, {})) {
        const Slot& slot = slots_[queued.slot];
        if (slot.state != Slot::State::unsent || slot.number != queued.number) continue;
        queued.head.subject = queued.subject;
        send(queued.slot, queued.head, queued.batch);
    }
}

void RequestPort::disconnected(const Error& why) {
    const Error error(ErrorCode::connection_closed, why.message());
    for (std::uint32_t at = 0; at < slots_.size(); ++at)
        if (slots_[at].state == Slot::State::sent) finish(at, error);
}

void RequestPort::shut_down() {
    stopped_ = true;
    timer_.cancel();
    {
        const std::lock_guard lock(mutex_);
        accepts_ = false;
    }
    static_cast<void>(drain());
    unsent_.clear();
    for (std::uint32_t at = 0; at < slots_.size(); ++at)
        if (slots_[at].state != Slot::State::free) finish(at, closed());
}

void RequestPort::arm(SteadyTime deadline) {
    armed_for_ = deadline;
    timer_.set_at(deadline, [this](const boost::system::error_code& error) {
        if (!error) expire();
    });
}

// The timer stands at the earliest deadline that there was when it was set; most requests are
// answered long before, so looking at all slots now and then costs less than to keep them in order.
void RequestPort::expire() {
    armed_for_.reset();
    const auto now = Clock::now();
    std::optional<SteadyTime> next;
    for (std::uint32_t at = 0; at < slots_.size(); ++at) {
        if (slots_[at].state == Slot::State::free) continue;
        if (slots_[at].deadline <= now) {
            finish(at,
                   Error(ErrorCode::timeout, slots_[at].state == Slot::State::unsent
                                                 ? "no connection to a broker before the deadline"
                                                 : "no answer before the deadline"));
        } else if (!next || slots_[at].deadline < *next) {
            next = slots_[at].deadline;
        }
    }
    std::erase_if(unsent_, [&](const Queued& queued) { return queued.head.deadline <= now; });
    if (next && (!armed_for_ || *next < *armed_for_)) arm(*next);
}

}  // namespace casc::client
