#include "message_ids.hpp"

#include "stored_batch.hpp"

#include <casc/broker/logging.hpp>

#include <algorithm>
#include <poll.h>

namespace casc::broker {
namespace {

constexpr std::size_t kLoadedBytes = 4_MiB;

EpochNanos window_start(const Topic& topic, EpochNanos now) {
    const std::chrono::nanoseconds window =
        std::chrono::milliseconds(topic.settings.dedup_window_ms);
    return now - EpochNanos::distance(window.count());
}

}  // namespace

std::optional<MessageId> message_id_of(const wire::BatchView& batch, std::uint32_t index) noexcept {
    MessageId id;
    const auto column = batch.column(wire::Column::message_ids);
    std::memcpy(id.data(), column.data() + index * id.size(), id.size());
    if (id == MessageId{}) return std::nullopt;
    return id;
}

const MessageIds::Seen* MessageIds::find(const Topic& topic, const MessageId& id, EpochNanos now) {
    const auto window = windows_.find(topic.id);
    if (window == windows_.end()) return nullptr;
    expire(window->second, topic, now);
    const auto found = window->second.seen.find(id);
    if (found == window->second.seen.end() || found->second.at < window_start(topic, now))
        return nullptr;
    return &found->second;
}

void MessageIds::remember(const Topic& topic, const MessageId& id, const Seen& seen,
                          EpochNanos now) {
    Window& window = windows_[topic.id];
    Seen& kept = window.seen[id];
    kept = seen;
    kept.at = now;
    window.order.emplace_back(now, id);
    ++size_;
}

void MessageIds::remember_all(const Topic& topic, const wire::BatchView& batch,
                              wire::SliceRange range, const Seen& first, EpochNanos at) {
    if (!wanted(topic) || !batch.has(wire::Column::message_ids)) return;
    for (std::uint32_t i = range.first; i < range.end; ++i) {
        Seen seen = first;
        if (seen.schedule_id == 0) seen.offset = first.offset + OffsetDelta(i - range.first);
        if (const auto id = message_id_of(batch, i)) remember(topic, *id, seen, at);
    }
}

void MessageIds::schedule_ended(const Topic& topic, std::uint64_t schedule_id,
                                const wire::BatchView& batch, const std::optional<Seen>& first) {
    const auto window = windows_.find(topic.id);
    if (window == windows_.end() || !batch.has(wire::Column::message_ids)) return;
    for (std::uint32_t i = 0; i < batch.event_count(); ++i) {
        const auto id = message_id_of(batch, i);
        if (!id) continue;
        const auto found = window->second.seen.find(*id);
        if (found == window->second.seen.end() || found->second.schedule_id != schedule_id)
            continue;
        if (!first) {
            window->second.seen.erase(found);
            continue;
        }
        const EpochNanos at = found->second.at;
        found->second = *first;
        found->second.offset = first->offset + OffsetDelta(i);
        found->second.at = at;
    }
}

void MessageIds::expire(Window& window, const Topic& topic, EpochNanos now) {
    const EpochNanos start = window_start(topic, now);
    while (!window.order.empty() && window.order.front().first < start) {
        // It may have come again since, when it had expired.
        const auto found = window.seen.find(window.order.front().second);
        if (found != window.seen.end() && found->second.at == window.order.front().first)
            window.seen.erase(found);
        window.order.pop_front();
        --size_;
    }
}

void MessageIds::expire(EpochNanos now) {
    for (auto& [id, window] : windows_)
        if (const Topic* topic = topics_.find(id)) expire(window, *topic, now);
}

void MessageIds::on_topic_removed(TopicId topic) {
    const auto node = windows_.extract(topic);
    if (!node.empty()) size_ -= node.mapped().order.size();
}

// ---- at start -----------------------------------------------------------------------------------

Result<void> MessageIds::load(EpochNanos now, std::size_t ids_max) {
    Result<void> loaded;
    topics_.for_each({}, {}, [&](const Topic& topic) {
        if (!wanted(topic)) return true;
        const EpochNanos from = window_start(topic, now);
        std::vector<std::pair<LogId, storage::LogState>> recent;
        for_each_log(store_, topic.id, [&](LogId log, const storage::LogState& state) {
            if (state.last_append >= from) recent.emplace_back(log, state);
        });
        for (const auto& [log, state] : recent)
            if (loaded) loaded = load_log(topic, log, state, from, ids_max);
        return loaded.has_value();
    });
    // Log by log they came; by time they go.
    for (auto& [topic, window] : windows_)
        std::sort(window.order.begin(), window.order.end());
    if (size_ >= ids_max)
        log_event(
            LogLevel::warn, "message_ids_forgotten",
            {{"remembered", size_},
             {"do", "shorten the deduplication windows, or raise producers.message_ids_max"}});
    return loaded;
}

Result<void> MessageIds::load_log(const Topic& topic, LogId log, const storage::LogState& state,
                                  EpochNanos from, std::size_t ids_max) {
    CASC_TRY(const storage::TimeLookup found, store_.find_time(log, from));
    Offset at = std::max(found.offset, state.start);
    while (at < state.end && size_ < ids_max) {
        CASC_TRY(const auto batches, read(log, at, state.end));
        if (batches.empty()) return {};  // a gap up to the end that a crash has left
        for (const storage::BatchRef& ref : batches) {
            CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(ref.bytes));
            remember_all(topic, batch, {0, batch.event_count()},
                         {.log = log, .offset = batch.base_offset(), .sequence = {}},
                         EpochNanos(batch.stamp().append_time));
            at = batch.end_offset();
        }
    }
    return {};
}

// Waits for the answer: nobody is served yet.
Result<std::vector<storage::BatchRef>> MessageIds::read(LogId log, Offset from, Offset end) {
    std::vector<storage::BatchRef> batches;
    if (store_.read_tail(log, from, end, kLoadedBytes, batches)) return batches;
    store_.post_read(
        {.token = 0, .log = log, .from = from, .until = end, .bytes_max = kLoadedBytes});
    std::vector<pollfd> readable;
    for (const int fd : store_.event_fds())
        readable.push_back({fd, POLLIN, 0});
    std::vector<storage::Advanced> advanced;
    std::vector<storage::ReadAnswer> answers;
    for (;;) {
        static_cast<void>(store_.poll(advanced, answers));
        if (!answers.empty()) return std::move(answers.front().batches);
        if (store_.failure()) return *store_.failure();
        static_cast<void>(::poll(readable.data(), readable.size(), -1));
    }
}

}  // namespace casc::broker
