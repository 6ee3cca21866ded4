// What /metrics and `casc-admin node info` show. Names follow Prometheus: one unit per metric,
// counters end in _total.

#include "prometheus.hpp"
#include "shard.hpp"

namespace casc::broker {
namespace {

MetricFamily by_lane(const std::string& name, std::string help,
                     const std::array<Counters::PerLane, kLaneCount>& lanes,
                     std::uint64_t Counters::PerLane::*member) {
    MetricFamily family{name, std::move(help), "counter", {}};
    for (const Lane lane : kLanes)
        family.samples.push_back(
            {name, prometheus_label("lane", to_string(lane)),
             static_cast<double>(lanes[static_cast<std::size_t>(lane)].*member)});
    return family;
}

// A summary without quantiles: the mean over any time is what the sum has grown by what the count
// has.
MetricFamily wait_by_lane(const std::array<Counters::PerLane, kLaneCount>& lanes) {
    const std::string name = "casc_delivery_wait_seconds";
    MetricFamily family{name,
                        "Time from being appended to being pushed to a reader of any kind, of each "
                        "batch or part of one, by lane; of what is delivered again, each time.",
                        "summary",
                        {}};
    for (const Lane lane : kLanes) {
        const auto& count = lanes[static_cast<std::size_t>(lane)];
        const std::string label = prometheus_label("lane", to_string(lane));
        family.samples.push_back(
            {name + "_sum", label, static_cast<double>(count.waited_ns) / 1e9});
        family.samples.push_back({name + "_count", label, static_cast<double>(count.batches_out)});
    }
    return family;
}

}  // namespace

std::vector<MetricFamily> Shard::metrics() const {
    const Counters& count = core_.counters;
    const RequestCounters& called = requests_.counters();
    const FilterCounters& filtered = core_.filters.counters();
    const storage::Store::Stats stats = store_->stats();
    const auto gauge = [](std::string name, std::string help, auto value) {
        return single_metric(std::move(name), std::move(help), "gauge", static_cast<double>(value));
    };
    const auto counter = [](std::string name, std::string help, auto value) {
        return single_metric(std::move(name), std::move(help), "counter",
                             static_cast<double>(value));
    };
    std::size_t members = 0;
    groups_.for_each([&](const Group& group) { members += group.members().size(); });
    return {
        by_lane("casc_events_in_total", "Events appended, by lane.", count.lanes,
                &Counters::PerLane::events_in),
        by_lane("casc_bytes_in_total", "Bytes of batches appended, by lane.", count.lanes,
                &Counters::PerLane::bytes_in),
        by_lane("casc_events_out_total", "Events pushed to readers of any kind, by lane.",
                count.lanes, &Counters::PerLane::events_out),
        by_lane("casc_bytes_out_total", "Bytes of batches pushed to readers of any kind, by lane.",
                count.lanes, &Counters::PerLane::bytes_out),
        wait_by_lane(count.lanes),
        counter("casc_batches_in_total", "Batches appended.", count.batches_in),
        counter("casc_batches_duplicate_total", "Batches that had been stored before.",
                count.batches_duplicate),
        counter("casc_events_expired_total",
                "Events whose time to live had passed before a reader got them.",
                count.events_expired),
        gauge("casc_kv_keys", "Keys of compacted topics that have a value.", core_.keys.count()),
        gauge("casc_kv_key_bytes", "Memory that the keys of compacted topics take, about.",
              core_.keys.bytes()),
        counter("casc_kv_conflicts_total", "Puts whose key was not at the expected revision.",
                kv_.conflicts()),
        counter("casc_compaction_passes_total", "Compacted logs that were gone through.",
                compaction_.passes()),
        counter("casc_compaction_events_total", "Events that compaction has taken out.",
                compaction_.events_taken_out()),
        counter("casc_compaction_bytes_total", "Bytes by which compaction has made logs shorter.",
                compaction_.bytes_taken_out()),
        gauge("casc_deleted_events", "Events that were deleted one by one and are remembered.",
              core_.deleted.count()),
        gauge("casc_schedules", "Schedules, and groups of events that wait for their time.",
              schedules_.count()),
        gauge("casc_scheduled_bytes", "Bytes of batches that wait for their time.",
              schedules_.bytes()),
        gauge("casc_message_ids", "Message ids in the deduplication windows of topics.",
              message_ids_.size()),
        counter("casc_requests_total", "Frames received.", count.requests),
        counter("casc_request_errors_total", "Requests answered with an error.", count.errors),
        counter("casc_connections_accepted_total", "Connections accepted.",
                count.connections_accepted),
        counter("casc_connections_refused_total", "Connections refused at the limit.",
                count.connections_refused),
        counter("casc_producer_pauses_total",
                "Times a producer was held back because storage lagged.", count.read_pauses),
        counter("casc_group_rebalances_total",
                "Times partitions of a consumer group changed hands.", count.rebalances),
        counter("casc_service_requests_total", "Requests for the responders of a subject.",
                called.requests),
        counter("casc_service_no_responders_total", "Requests for which there was no responder.",
                called.no_responders),
        counter("casc_service_overloaded_total",
                "Requests and answers refused at one of the bounds of [requests].",
                called.overloaded),
        counter("casc_service_timeouts_total", "Requests whose deadline has passed.",
                called.timeouts),
        counter("casc_service_cancelled_total",
                "Requests that were cancelled, or whose requester went.", called.cancelled),
        counter("casc_service_responders_lost_total",
                "Requests whose responder's connection ended.", called.responders_lost),
        counter("casc_service_failures_total",
                "Requests that a responder has answered with an error.", called.failures),
        counter("casc_service_parts_total", "Parts of streaming replies.", called.parts),
        counter("casc_service_answers_ignored_total",
                "Answers that came late, twice, or from somebody else.", called.answers_ignored),
        gauge("casc_service_requests_under_way", "Requests that wait or that a responder has.",
              requests_.under_way()),
        gauge("casc_service_requests_waiting", "Requests that wait for a responder with room.",
              requests_.waiting()),
        gauge("casc_service_waiting_bytes", "Memory of the requests that wait.",
              requests_.waiting_bytes()),
        gauge("casc_services", "Subjects that have responders.", requests_.subjects()),
        gauge("casc_responders", "Connections that serve a subject, counted by subject.",
              requests_.responders()),
        gauge("casc_connections", "Open connections.", connections_.size()),
        gauge("casc_shared_memory_connections", "... of them through rings in shared memory.",
              rings_.connections()),
        gauge("casc_shared_memory_bytes", "Memory of their rings.", rings_.bytes()),
        gauge("casc_topics", "Topics.", core_.topics.size()),
        gauge("casc_groups", "Consumer groups.", groups_.count()),
        gauge("casc_group_members", "Members of consumer groups.", members),
        gauge("casc_subscriptions", "Subscriptions.", delivery_.count()),
        counter("casc_filter_events_examined_total",
                "Events that were held against the filter of a reader.", filtered.events_examined),
        counter("casc_filter_events_matched_total", "Of those the ones that matched.",
                filtered.events_matched),
        counter("casc_filter_batches_skipped_total",
                "Batches of which nothing matched the filter of a reader.",
                filtered.batches_skipped),
        counter("casc_filter_batches_summarised_total",
                "Of those the ones whose summary was enough to know.", filtered.batches_summarised),
        counter("casc_filter_batches_opened_total", "Batches decompressed for filters.",
                filtered.batches_opened),
        gauge("casc_taps", "Taps; those that share one count once.", taps_.count()),
        gauge("casc_tap_events_waiting", "Events that wait for taps.", taps_.events_waiting()),
        counter("casc_tap_events_skipped_total", "Events that taps did not get: they were full.",
                taps_.events_skipped()),
        counter("casc_tap_producer_holds_total",
                "Times a producer was held back because a tap was full.", count.tap_producer_holds),
        counter("casc_taps_cut_off_total",
                "Taps that were full, held producers back and took nothing for too long.",
                count.taps_cut_off),
        gauge("casc_volatile_bytes", "Memory of volatile topics and of what waits for taps.",
              core_.volatile_logs.bytes()),
        counter("casc_volatile_events_evicted_total",
                "Events of volatile topics that went because all of them had become too large.",
                core_.volatile_logs.evicted()),
        gauge("casc_fetches_waiting", "Fetch requests that wait for events.", fetches_.count()),
        gauge("casc_acks_waiting", "Answers that wait for the journal.", core_.waits.size()),
        gauge("casc_producers", "Producer and log pairs in the deduplication table.",
              core_.producers.size()),
        counter("casc_journal_entries_total", "Journal entries written.", stats.entries),
        counter("casc_journal_bytes_total", "Bytes written to the journal, padding included.",
                stats.journal_bytes),
        counter("casc_checkpoints_total", "Checkpoints completed.", stats.checkpoints),
        counter("casc_checkpoint_bytes_total", "Bytes written to SST files.",
                stats.checkpoint_bytes),
        counter("casc_cold_reads_total", "Reads that went to disk.", stats.cold_reads),
        gauge("casc_unflushed_bytes", "Bytes in the journal that no checkpoint has taken yet.",
              stats.unflushed_bytes),
        gauge("casc_tail_cache_bytes", "Bytes of batches kept in memory for readers at the tail.",
              stats.tail_cache_bytes),
        gauge("casc_journal_segments", "Journal segment files.", stats.journal.segments),
        gauge("casc_journal_segments_free", "Journal segment files ready for use.",
              stats.journal.segments_free),
        gauge("casc_slices", "Slices of the log.", stats.slices),
        gauge("casc_storage_bytes", "Bytes of SST files.", stats.sst_bytes),
        gauge("casc_logs", "Logs: lanes of partitions that have had an event.", stats.logs),
        gauge("casc_disk_free_bytes", "Free bytes on the disk of the data folder.",
              stats.disk_free_bytes),
        gauge("casc_storage_failed",
              "1 once storage has failed and nothing is acknowledged any more.", failure_ ? 1 : 0),
    };
}

std::vector<std::pair<std::string, double>> Shard::figures() const {
    std::vector<std::pair<std::string, double>> list;
    for (const MetricFamily& family : metrics()) {
        const bool single = family.samples.size() == 1 && family.samples.front().labels.empty();
        if (!single && family.type != "counter") continue;
        double sum = 0;  // of a counter that is split by lane
        for (const MetricSample& sample : family.samples)
            sum += sample.value;
        list.emplace_back(family.name, sum);
    }
    return list;
}

}  // namespace casc::broker
