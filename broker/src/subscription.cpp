#include "subscription.hpp"

#include "stored_batch.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <utility>

namespace casc::broker {
namespace {

constexpr std::uint64_t kNoBound = ~std::uint64_t{0};
// Enough to keep the disk busy while answers are sent.
constexpr std::size_t kTurnsMax = 8;

LogId partition_of(LogId log) {
    return {log.topic(), log.partition(), kLanes.front()};
}

}  // namespace

Subscription::Subscription(Core& core, Session& session, SubscriptionScheduler& scheduler,
                           std::uint32_t id, DeliveryOrder order, std::size_t deliver_bytes_max)
    : core_(core),
      session_(session),
      scheduler_(scheduler),
      id_(id),
      order_(order),
      deliver_bytes_max_(deliver_bytes_max),
      self_(std::make_shared<Subscription*>(this)) {}

Subscription::~Subscription() {
    *self_ = nullptr;
    for (auto& [log, source] : sources_)
        core_.watch.remove(log, *this);
}

void Subscription::add_source(const Topic& topic, LogId log, Offset from) {
    auto& slot = sources_[log];
    if (!slot) {
        slot = std::make_unique<Source>();
        core_.watch.add(log, *this);
    } else {
        unready(*slot);
    }
    Source& source = *slot;
    source.topic = topic.id;
    source.log = log;
    source.next = from;
    source.visible_end = core_.visibility.visible_end(topic, log);
    source.fetched.clear();
    give_up_reading(source);
    source.state = State::idle;
    look_again(source);
}

void Subscription::remove_source(LogId log) {
    const auto found = sources_.find(log);
    if (found == sources_.end()) return;
    unready(*found->second);
    give_up_reading(*found->second);
    core_.watch.remove(log, *this);
    sources_.erase(found);
}

void Subscription::grant(std::uint64_t bytes, std::uint64_t events) {
    // A grant is bounded by what a client can sensibly hold, so that the sum cannot overflow.
    constexpr std::uint64_t sane = std::uint64_t{1} << 40;
    credit_bytes_ += static_cast<std::int64_t>(std::min(bytes, sane));
    credit_events_ += static_cast<std::int64_t>(std::min(events, sane));
    scheduler_.schedule(*this);
}

bool Subscription::may_send() const noexcept {
    return credit_bytes_ > 0 && credit_events_ > 0 && session_.open() && !session_.congested();
}

void Subscription::run() {
    while (may_send()) {
        Source* source = pick();
        if (source == nullptr) return;
        std::uint64_t arrival_bound = kNoBound;
        if (order_ == DeliveryOrder::arrival) {
            // nullptr: the source that was picked is no longer ready (or gone), so the loop ends.
            source = earliest_sibling(source->log, arrival_bound);
            if (source == nullptr) continue;
        }
        if (!source->fetched.empty() || fill(*source)) deliver(*source, arrival_bound);
    }
}

Subscription::Source* Subscription::pick() {
    std::size_t chosen = kLaneCount;
    for (std::size_t lane = 0; lane < kLaneCount; ++lane) {
        if (ready_[lane].empty()) {
            passed_over_[lane] = 0;
            continue;
        }
        if (chosen == kLaneCount) {
            chosen = lane;
        } else if (++passed_over_[lane] >= core_.config.delivery.starvation_bound) {
            chosen = lane;  // it has waited long enough
        }
    }
    if (chosen == kLaneCount) return nullptr;
    passed_over_[chosen] = 0;
    return ready_[chosen].front();
}

Subscription::Source* Subscription::earliest_sibling(const LogId picked,
                                                     std::uint64_t& arrival_bound) {
    Source* earliest = nullptr;
    std::uint64_t earliest_arrival = kNoBound;
    for (const Lane lane : kLanes) {
        const auto found = sources_.find(LogId(picked.topic(), picked.partition(), lane));
        if (found == sources_.end() || found->second->state == State::idle) continue;
        Source& sibling = *found->second;
        const bool has_batch =
            sibling.state == State::ready && (!sibling.fetched.empty() || fill(sibling));
        if (!has_batch) {
            // fill() may have ended the source; whether it waits for the disk is asked of what is
            // there now.
            if (!is_reading(picked, lane)) continue;
            // Nobody of this partition may overtake it. The others become ready again with its
            // answer.
            hold_back(picked);
            return nullptr;
        }
        const std::uint64_t arrival = stored_extent(sibling.fetched.front()).arrival;
        if (arrival < earliest_arrival) {
            arrival_bound = earliest_arrival;
            earliest_arrival = arrival;
            earliest = &sibling;
        } else {
            arrival_bound = std::min(arrival_bound, arrival);
        }
    }
    return earliest;
}

bool Subscription::is_reading(LogId of_partition, Lane lane) const {
    const auto found = sources_.find(LogId(of_partition.topic(), of_partition.partition(), lane));
    return found != sources_.end() && found->second->state == State::reading;
}

void Subscription::hold_back(LogId partition) {
    for (const Lane lane : kLanes)
        if (const auto found = sources_.find(LogId(partition.topic(), partition.partition(), lane));
            found != sources_.end())
            unready(*found->second);
}

bool Subscription::fill(Source& source) {
    if (core_.topics.find(source.topic) == nullptr) {
        drop(source, ErrorCode::unknown_topic);
        return false;
    }
    const auto state = core_.store.log_state(source.log);
    const Offset start = state ? state->start : Offset(0);
    if (source.next < start || source.next > source.visible_end) {
        drop(source, ErrorCode::offset_out_of_range);
        return false;
    }
    if (source.next == source.visible_end) {
        unready(source);
        return false;
    }
    sending_.clear();
    if (!core_.store.read_tail(source.log, source.next, source.visible_end, deliver_bytes_max_,
                               sending_)) {
        read_from_disk(source);
        return false;
    }
    source.fetched.insert(source.fetched.end(), sending_.begin(), sending_.end());
    if (source.fetched.empty()) unready(source);
    return !source.fetched.empty();
}

void Subscription::read_from_disk(Source& source) {
    unready(source);
    source.state = State::reading;
    source.reading_token = ++last_token_;
    // In its partition's turn at once: a lane that has been read may be waiting for it.
    if (turns_.contains(partition_of(source.log))) return start_cold_read(source);
    waiting_.emplace(source.reading_token, source.log);
    start_waiting();
}

void Subscription::start_waiting() {
    while (!waiting_.empty() && turns_.size() < kTurnsMax) {
        const auto [token, first] = *waiting_.begin();
        for (const Lane lane : kLanes) {
            const auto found = sources_.find(LogId(first.topic(), first.partition(), lane));
            if (found != sources_.end() && waiting_.erase(found->second->reading_token) != 0)
                start_cold_read(*found->second);
        }
        CASC_ASSERT(!waiting_.contains(token), token);
    }
}

void Subscription::end_turn(Source& source) {
    if (!std::exchange(source.from_disk, false)) return;
    const auto turn = turns_.find(partition_of(source.log));
    if (--turn->second != 0) return;
    turns_.erase(turn);
    start_waiting();
}

void Subscription::give_up_reading(Source& source) {
    waiting_.erase(source.reading_token);
    source.reading_token = ++last_token_;  // what the disk may still answer is of no interest
    end_turn(source);
}

void Subscription::start_cold_read(Source& source) {
    if (!std::exchange(source.from_disk, true)) ++turns_[partition_of(source.log)];
    const std::uint64_t token = source.reading_token;
    core_.cold_reads.post(
        source.log, source.next, source.visible_end, deliver_bytes_max_,
        [weak = std::weak_ptr(self_), log = source.log, token,
         until = source.visible_end](Result<std::vector<storage::BatchRef>> batches) {
            const auto alive = weak.lock();
            if (!alive || *alive == nullptr) return;
            Subscription& self = **alive;
            const auto found = self.sources_.find(log);
            if (found == self.sources_.end() || found->second->reading_token != token) return;
            Source& reading = *found->second;
            reading.state = State::idle;
            if (!batches) return self.drop(reading, batches.error().code);
            // Nothing stored up to `until`: a gap that a crash has left (or a trim, which fill()
            // will report).
            if (batches->empty()) reading.next = until;
            reading.fetched.insert(reading.fetched.end(), batches->begin(), batches->end());
            if (reading.fetched.empty()) self.end_turn(reading);
            // Siblings that were held back for this answer are looked at again.
            for (const Lane lane : kLanes) {
                const auto sibling = self.sources_.find(LogId(log.topic(), log.partition(), lane));
                if (sibling != self.sources_.end()) self.look_again(*sibling->second);
            }
        });
}

void Subscription::deliver(Source& source, std::uint64_t arrival_bound) {
    sending_.clear();
    std::size_t bytes = 0;
    std::int64_t events = 0;
    while (!source.fetched.empty()) {
        const storage::BatchRef& batch = source.fetched.front();
        const StoredExtent extent = stored_extent(batch);
        const bool first = sending_.empty();
        const auto left = credit_bytes_ - static_cast<std::int64_t>(bytes);
        if (!first && (bytes + batch.bytes.size() > deliver_bytes_max_ || left <= 0 ||
                       events >= credit_events_ || extent.arrival > arrival_bound))
            break;
        bytes += batch.bytes.size();
        events += extent.event_count;
        source.next = extent.end;
        sending_.push_back(batch);
        source.fetched.pop_front();
    }
    if (source.fetched.empty()) end_turn(source);
    credit_bytes_ -= static_cast<std::int64_t>(bytes);
    credit_events_ -= events;
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateDeliver(
            builder, id_, source.log.topic().value(), source.log.partition().value(),
            static_cast<std::uint8_t>(source.log.lane()), generation_, source.visible_end.value());
    });
    session_.send(wire::FrameKind::push, wire::Api::deliver, 0, body, sending_);

    auto& lane = core_.counters.lanes[static_cast<std::size_t>(source.log.lane())];
    lane.events_out += static_cast<std::uint64_t>(events);
    lane.bytes_out += bytes;

    // To the back of its lane, so that every log of the lane gets its turn.
    unready(source);
    look_again(source);
}

void Subscription::look_again(Source& source) {
    // Behind the end, or past it, which fill() reports.
    if (source.state == State::idle && source.next != source.visible_end) set_ready(source);
}

void Subscription::set_ready(Source& source) {
    if (source.state == State::ready) return;
    source.state = State::ready;
    ready_[static_cast<std::size_t>(source.log.lane())].push_back(&source);
    scheduler_.schedule(*this);
}

void Subscription::unready(Source& source) {
    if (source.state != State::ready) return;
    source.state = State::idle;
    auto& lane = ready_[static_cast<std::size_t>(source.log.lane())];
    if (!lane.empty() && lane.front() == &source) {
        lane.pop_front();
    } else {
        std::erase(lane, &source);
    }
}

void Subscription::drop(Source& source, ErrorCode why) {
    const auto state = core_.store.log_state(source.log);
    const auto body = core_.encoder.build([&](flatbuffers::FlatBufferBuilder& builder) {
        return wire::fb::CreateDeliver(
            builder, id_, source.log.topic().value(), source.log.partition().value(),
            static_cast<std::uint8_t>(source.log.lane()), generation_, source.visible_end.value(),
            static_cast<std::uint16_t>(why), state ? state->start.value() : 0);
    });
    session_.send(wire::FrameKind::push, wire::Api::deliver, 0, body);
    remove_source(source.log);
}

void Subscription::on_visible(LogId log, Offset visible_end) {
    const auto found = sources_.find(log);
    if (found == sources_.end()) return;
    Source& source = *found->second;
    source.visible_end = visible_end;
    look_again(source);
}

void Subscription::on_removed(LogId log) {
    // The table of watchers must not change now: the next fill() finds the log gone.
    const auto found = sources_.find(log);
    if (found == sources_.end()) return;
    Source& source = *found->second;
    source.fetched.clear();
    source.visible_end = Offset(0);
    source.next = Offset(~std::uint64_t{0});  // out of every range
    give_up_reading(source);
    if (source.state == State::reading) source.state = State::idle;
    look_again(source);
}

}  // namespace casc::broker
