#include "deleted_events.hpp"

#include "row_codec.hpp"

#include <casc/broker/logging.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

using storage::StateTable;

// In one go; they may be spread over many slices.
constexpr std::size_t kTakenOutMax = 1024;

constexpr std::chrono::seconds kPause{1};
constexpr std::chrono::seconds kRetryPause{60};

enum class RowState : std::uint8_t { stored = 0, taken_out = 1 };

RowWriter row_key(LogId log, Offset offset) {
    return RowWriter{}.put(log.value()).put(offset.value());
}
RowWriter row_value(RowState state) {
    return RowWriter{}.put(static_cast<std::uint8_t>(state));
}

}  // namespace

Result<void> DeletedEvents::load() {
    std::vector<std::pair<LogId, Offset>> gone;
    store_.scan(StateTable::deleted_event, [&](std::string_view key, std::string_view value) {
        RowReader reader(key);
        const LogId log(reader.get<std::uint64_t>());
        const Offset offset(reader.get<std::uint64_t>());
        const auto state = store_.log_state(log);
        if (topics_.find(log.topic()) == nullptr || !state || offset < state->start) {
            gone.emplace_back(log, offset);
            return;
        }
        ++count_;
        logs_[log].insert(offset);
        if (RowReader(value).get<std::uint8_t>() == static_cast<std::uint8_t>(RowState::stored))
            stored_[log].insert(offset);
    });
    for (const auto& [log, offset] : gone)
        CASC_TRY_VOID(store_.erase(StateTable::deleted_event, row_key(log, offset).view()));
    return {};
}

Result<JournalSequence> DeletedEvents::add(LogId log, Offset offset) {
    const bool is_new = !contains(log, offset);
    if (is_new && count_ >= kEventsMax)
        return Error(ErrorCode::overloaded, "the broker remembers " + std::to_string(kEventsMax) +
                                                " deleted events at most; purge the topic instead");
    CASC_TRY(const JournalSequence sequence,
             store_.put(StateTable::deleted_event, row_key(log, offset).view(),
                        row_value(RowState::stored).view()));
    if (!is_new) return sequence;
    ++count_;
    logs_[log].insert(offset);
    stored_[log].insert(offset);
    return sequence;
}

std::optional<Offset> DeletedEvents::next(LogId log, Offset first) const {
    const auto found = logs_.find(log);
    if (found == logs_.end()) return std::nullopt;
    const auto at = found->second.lower_bound(first);
    return at == found->second.end() ? std::nullopt : std::optional(*at);
}

// ---- taking them out ----------------------------------------------------------------------------

void DeletedEvents::tick() {
    const MonoNanos now = mono_now();
    if (busy_ || stopped_ || store_.failure() || now < not_before_) return;
    for (const auto& [log, offsets] : stored_) {
        if (const auto failing = failing_.find(log); failing != failing_.end()) {
            if (now < failing->second) continue;
            failing_.erase(failing);
        }
        const auto state = store_.log_state(log);
        std::vector<Offset> chosen;
        for (const Offset offset : offsets) {
            // The store takes out what is durable.
            if (chosen.size() == kTakenOutMax || !state || offset >= state->durable_end) break;
            chosen.push_back(offset);
        }
        if (chosen.empty()) continue;
        const Offset from = chosen.front();
        return take_out(log, std::move(chosen), from);
    }
}

void DeletedEvents::take_out(LogId log, std::vector<Offset> offsets, Offset from) {
    busy_ = true;
    storage::RewriteRequest request{
        .log = log, .from = from, .until = offsets.back() + OffsetDelta(1), .erased = offsets};
    store_.post_rewrite(std::move(request), [this, log, offsets = std::move(offsets)](
                                                Result<storage::Rewritten> done) mutable {
        busy_ = false;
        not_before_ = mono_now() + kPause;
        if (!done) {
            failing_[log] = mono_now() + kRetryPause;
            return log_event(LogLevel::error, "deleted_events_stay",
                             {{"log", log.value()}, {"why", done.error().message()}});
        }
        // On to the next one: there may be much of the log between them.
        const auto left = std::lower_bound(offsets.begin(), offsets.end(), done->next);
        const std::vector<Offset> out(offsets.begin(), left);
        offsets.erase(offsets.begin(), left);
        was_taken_out(log, out);
        if (offsets.empty() || stopped_ || !logs_.contains(log)) return;
        const Offset next = offsets.front();
        take_out(log, std::move(offsets), next);
    });
}

void DeletedEvents::was_taken_out(LogId log, const std::vector<Offset>& offsets) {
    const auto of = stored_.find(log);
    if (of == stored_.end()) return;  // the topic is gone
    for (const Offset offset : offsets) {
        of->second.erase(offset);
        // If the row cannot be written now, it is looked for once more after the next start.
        static_cast<void>(store_.put(StateTable::deleted_event, row_key(log, offset).view(),
                                     row_value(RowState::taken_out).view(),
                                     storage::Urgency::soon));
    }
    if (of->second.empty()) stored_.erase(of);
}

// ---- forgetting ---------------------------------------------------------------------------------

void DeletedEvents::on_trimmed(LogId log) {
    const auto found = logs_.find(log);
    const auto state = store_.log_state(log);
    if (found == logs_.end() || !state) return;
    Offsets& offsets = found->second;
    while (!offsets.empty() && *offsets.begin() < state->start) {
        // One that cannot be erased now is erased at the next start.
        static_cast<void>(
            store_.erase(StateTable::deleted_event, row_key(log, *offsets.begin()).view()));
        if (const auto of = stored_.find(log); of != stored_.end())
            of->second.erase(*offsets.begin());
        offsets.erase(offsets.begin());
        --count_;
    }
    if (offsets.empty()) logs_.erase(found);
}

void DeletedEvents::forget_topic(TopicId topic) {
    boost::unordered::erase_if(logs_, [&](const auto& entry) {
        if (entry.first.topic() != topic) return false;
        for (const Offset offset : entry.second)
            static_cast<void>(
                store_.erase(StateTable::deleted_event, row_key(entry.first, offset).view()));
        count_ -= entry.second.size();
        stored_.erase(entry.first);
        return true;
    });
}

}  // namespace casc::broker
