#include "lane_reader.hpp"

#include "stored_batch.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <utility>

namespace casc::broker {
namespace {

constexpr std::uint64_t kNoBound = ~std::uint64_t{0};
// Enough to keep the disk busy while answers are sent.
constexpr std::size_t kTurnsMax = 8;
constexpr int kDeliveriesPerTurn = 1024;
// What is read again is often one event, and the next one near it: events that wait for one another
// by key come back one by one. So as many are read, or as much.
constexpr auto kEventsReadAgainMin = OffsetDelta(128);
constexpr std::size_t kFewReadAgainBytes = 256_KiB;

LogId partition_of(LogId log) {
    return {log.topic(), log.partition(), kLanes.front()};
}

}  // namespace

LaneReader::LaneReader(Core& core, ReaderScheduler& scheduler, DeliveryOrder order,
                       std::size_t read_bytes)
    : core_(core),
      read_bytes_(read_bytes),
      scheduler_(scheduler),
      order_(order),
      self_(std::make_shared<LaneReader*>(this)) {}

LaneReader::~LaneReader() {
    *self_ = nullptr;
    for (auto& [key, source] : sources_)
        if (!key.again) core_.watch.remove(key.log, *this);
}

void LaneReader::add_source(const Topic& topic, LogId log, Offset from) {
    if (!sources_.contains(log)) core_.watch.add(log, *this);
    look_again(put(log, topic.id, from, core_.visibility.visible_end(topic, log)));
}

void LaneReader::read_again(const Topic& topic, LogId log, Offset from, Offset until) {
    look_again(put({log, true}, topic.id, from, until));
}

bool LaneReader::reads_again(LogId log) const {
    const auto found = sources_.find({log, true});
    return found != sources_.end() && found->second->state != State::idle;
}

void LaneReader::look_at_all() {
    for (auto& [key, source] : sources_)
        look_again(*source);
}

LaneReader::Source& LaneReader::put(SourceKey key, TopicId topic, Offset from, Offset visible_end) {
    auto& slot = sources_[key];
    if (!slot) {
        slot = std::make_unique<Source>();
        ++source_counts_[static_cast<std::size_t>(key.log.lane())];
    } else {
        unready(*slot);
    }
    Source& source = *slot;
    source.topic = topic;
    source.log = key.log;
    source.again = key.again;
    source.next = from;
    source.visible_end = visible_end;
    source.fetched.clear();
    give_up_reading(source);
    source.state = State::idle;
    return source;
}

bool LaneReader::reads_above(Lane lane) const noexcept {
    const auto end = source_counts_.begin() + static_cast<std::ptrdiff_t>(lane);
    return order_ == DeliveryOrder::priority &&
           std::any_of(source_counts_.begin(), end, [](std::size_t count) { return count != 0; });
}

void LaneReader::remove_source(LogId log) {
    remove({log, true});
    remove(log);
}

void LaneReader::remove(SourceKey key) {
    const auto found = sources_.find(key);
    if (found == sources_.end()) return;
    unready(*found->second);
    give_up_reading(*found->second);
    if (!key.again) core_.watch.remove(key.log, *this);
    sources_.erase(found);
    // Nothing is kept any more for a lane that is not read.
    if (--source_counts_[static_cast<std::size_t>(key.log.lane())] == 0) schedule();
}

void LaneReader::run() {
    int left = kDeliveriesPerTurn;
    begin_turn();
    while (may_send()) {
        if (left-- == 0 || !has_time()) return schedule();  // others are waiting, too
        Source* source = pick();
        if (source == nullptr) return;
        if (is_paused(*source) || !wants(*source)) {
            set_aside(*source);
            continue;
        }
        std::uint64_t arrival_bound = kNoBound;
        if (order_ == DeliveryOrder::arrival) {
            // nullptr: the source that was picked is no longer ready (or gone), so the loop ends.
            source = earliest_sibling(source->log, arrival_bound);
            if (source == nullptr) continue;
        }
        if (source->fetched.empty() && !fill(*source)) continue;
        deliver(*source, arrival_bound);
        if (source->fetched.empty()) end_turn(*source);
        // To the back of its lane, so that every log of the lane gets its turn.
        unready(*source);
        look_again(*source);
    }
}

LaneReader::Source* LaneReader::pick() {
    const std::size_t chosen = turns_of_lanes_.pick(
        [this](std::size_t at) {
            const Lane lane = static_cast<Lane>(at);
            return !ready_[at].empty() && (has_room_for(lane) || !has_had_its_share(lane));
        },
        [this](std::size_t lane) { return has_room_for(static_cast<Lane>(lane)); },
        core_.config.delivery);
    return chosen == kLaneCount ? nullptr : ready_[chosen].front();
}

LaneReader::Source* LaneReader::earliest_sibling(const LogId picked, std::uint64_t& arrival_bound) {
    Source* earliest = nullptr;
    std::uint64_t earliest_arrival = kNoBound;
    for (const Lane lane : kLanes) {
        const auto found = sources_.find(LogId(picked.topic(), picked.partition(), lane));
        if (found == sources_.end() || found->second->state == State::idle) continue;
        Source& sibling = *found->second;
        if (sibling.state == State::ready && is_paused(sibling)) {
            set_aside(sibling);
            continue;
        }
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

bool LaneReader::is_reading(LogId of_partition, Lane lane) const {
    const auto found = sources_.find(LogId(of_partition.topic(), of_partition.partition(), lane));
    return found != sources_.end() && found->second->state == State::reading;
}

void LaneReader::hold_back(LogId partition) {
    for (const Lane lane : kLanes)
        if (const auto found = sources_.find(LogId(partition.topic(), partition.partition(), lane));
            found != sources_.end())
            unready(*found->second);
}

bool LaneReader::fill(Source& source) {
    if (core_.topics.find(source.topic) == nullptr) {
        drop(source, ErrorCode::unknown_topic);
        return false;
    }
    const auto state = core_.logs.state(source.log);
    const Offset start = state ? state->start : Offset(0);
    if (source.next < start || source.next > source.visible_end) {
        drop(source, ErrorCode::offset_out_of_range);
        return false;
    }
    if (source.next == source.visible_end) {
        unready(source);
        return false;
    }
    filling_.clear();
    if (!core_.logs.read_tail(source.log, source.next, source.visible_end, read_bytes_, filling_)) {
        if (source.again)
            core_.recent_reads.find(source.log, source.next, source.visible_end, source.fetched);
        if (source.fetched.empty()) read_from_disk(source);
        return !source.fetched.empty();
    }
    source.fetched.insert(source.fetched.end(), filling_.begin(), filling_.end());
    if (source.fetched.empty()) unready(source);
    return !source.fetched.empty();
}

void LaneReader::read_from_disk(Source& source) {
    unready(source);
    source.state = State::reading;
    source.reading_token = ++last_token_;
    // In its partition's turn at once: a lane that has been read may be waiting for it.
    if (turns_.contains(partition_of(source.log))) return start_cold_read(source);
    waiting_.emplace(source.reading_token, SourceKey(source.log, source.again));
    start_waiting();
}

void LaneReader::start_waiting() {
    while (!waiting_.empty() && turns_.size() < kTurnsMax) {
        const auto [token, first] = *waiting_.begin();
        for (const Lane lane : kLanes) {
            for (const bool again : {false, true}) {
                const auto found =
                    sources_.find({LogId(first.log.topic(), first.log.partition(), lane), again});
                if (found != sources_.end() && waiting_.erase(found->second->reading_token) != 0)
                    start_cold_read(*found->second);
            }
        }
        CASC_ASSERT(!waiting_.contains(token), token);
    }
}

void LaneReader::end_turn(Source& source) {
    if (!std::exchange(source.from_disk, false)) return;
    const auto turn = turns_.find(partition_of(source.log));
    if (--turn->second != 0) return;
    turns_.erase(turn);
    start_waiting();
}

void LaneReader::give_up_reading(Source& source) {
    waiting_.erase(source.reading_token);
    source.reading_token = ++last_token_;  // what the disk may still answer is of no interest
    end_turn(source);
}

Offset LaneReader::read_end(const Source& source) const {
    const Topic* topic = core_.topics.find(source.topic);
    if (!source.again || topic == nullptr) return source.visible_end;
    const Offset visible = core_.visibility.visible_end(*topic, source.log);
    return std::max(source.visible_end, std::min(source.next + kEventsReadAgainMin, visible));
}

void LaneReader::start_cold_read(Source& source) {
    if (!std::exchange(source.from_disk, true)) ++turns_[partition_of(source.log)];
    const std::uint64_t token = source.reading_token;
    const Offset end = read_end(source);
    const bool is_few = end != source.visible_end;
    core_.cold_reads.post(
        source.log, source.next, end,
        is_few ? std::min(read_bytes_, kFewReadAgainBytes) : read_bytes_,
        [weak = std::weak_ptr(self_), key = SourceKey(source.log, source.again), token,
         until = source.visible_end](Result<std::vector<storage::BatchRef>> batches) {
            const auto alive = weak.lock();
            if (!alive || *alive == nullptr) return;
            LaneReader& self = **alive;
            const auto found = self.sources_.find(key);
            if (found == self.sources_.end() || found->second->reading_token != token) return;
            Source& reading = *found->second;
            reading.state = State::idle;
            if (!batches) return self.drop(reading, batches.error().code);
            self.on_read(key.log, *batches);
            // Nothing stored up to `until`: a gap that a crash has left (or a trim, which fill()
            // will report). What is read again was there.
            if (batches->empty() && key.again)
                return self.drop(reading, ErrorCode::offset_out_of_range);
            if (batches->empty()) reading.next = until;
            reading.fetched.insert(reading.fetched.end(), batches->begin(), batches->end());
            if (reading.fetched.empty()) self.end_turn(reading);
            // Siblings that were held back for this answer are looked at again.
            for (const Lane lane : kLanes) {
                const auto sibling =
                    self.sources_.find(LogId(key.log.topic(), key.log.partition(), lane));
                if (sibling != self.sources_.end()) self.look_again(*sibling->second);
            }
            if (key.again) self.look_again(reading);
        });
}

bool LaneReader::is_paused(const Source& source) const {
    const Topic* topic = core_.topics.find(source.topic);
    return topic != nullptr && topic->settings.is_paused(source.log.lane());
}

// Others have the disk meanwhile.
void LaneReader::set_aside(Source& source) {
    unready(source);
    source.fetched.clear();
    end_turn(source);
}

void LaneReader::look_again(Source& source) {
    if (source.state == State::idle && is_paused(source)) return set_aside(source);
    // Behind the end, or past it, which fill() reports.
    if (source.state == State::idle && source.next != source.visible_end) set_ready(source);
}

void LaneReader::set_ready(Source& source) {
    if (source.state == State::ready) return;
    source.state = State::ready;
    auto& lane = ready_[static_cast<std::size_t>(source.log.lane())];
    if (source.again) {
        lane.push_front(&source);
    } else {
        lane.push_back(&source);
    }
    scheduler_.schedule(*this);
}

void LaneReader::unready(Source& source) {
    if (source.state != State::ready) return;
    source.state = State::idle;
    auto& lane = ready_[static_cast<std::size_t>(source.log.lane())];
    if (!lane.empty() && lane.front() == &source) {
        lane.pop_front();
    } else {
        std::erase(lane, &source);
    }
}

void LaneReader::drop(Source& source, ErrorCode why) {
    const Source gone = source;
    remove({source.log, source.again});
    on_dropped(gone, why);
}

void LaneReader::on_visible(LogId log, Offset visible_end) {
    const auto found = sources_.find(log);
    if (found == sources_.end()) return;
    Source& source = *found->second;
    source.visible_end = visible_end;
    look_again(source);
    // It may have been paused.
    const auto again = sources_.find({log, true});
    if (again != sources_.end()) look_again(*again->second);
}

void LaneReader::on_removed(LogId log) {
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
