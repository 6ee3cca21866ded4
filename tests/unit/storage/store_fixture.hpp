#pragma once
// A store on a simulated disk, with bounds so small that every path is taken, and the verbs the
// store tests speak in.

#include "store_news.hpp"

#include <casc/storage/simulated_disk.hpp>
#include <casc/storage/store.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace casc::storage {

inline LogId log_of(std::uint32_t topic, Lane lane = Lane::normal) {
    return {TopicId(topic), PartitionId(0), lane};
}

using Events = std::vector<std::string>;

// A batch with one event per text.
inline std::vector<std::byte> batch_of(const Events& events) {
    wire::BatchBuilder builder;
    for (const auto& event : events)
        builder.add_payload(std::as_bytes(std::span(event)), EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish({}, bytes);
    return bytes;
}

// The events of stored batches; every checksum of theirs is looked at.
inline Events events_of(const std::vector<BatchRef>& batches) {
    Events events;
    for (const auto& ref : batches) {
        const auto batch = wire::BatchView::parse(ref.bytes);
        REQUIRE(batch.has_value());
        REQUIRE(batch->verify_stamp());
        REQUIRE(batch->verify_body());
        for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
            const auto payload = batch->payload(i, batch->stored_payloads());
            events.emplace_back(reinterpret_cast<const char*>(payload.data()), payload.size());
        }
    }
    return events;
}

inline StoreOptions small_options() {
    StoreOptions options;
    options.directory = "/data";
    options.journal.segment_bytes = 256_KiB;
    options.journal.segments_min = 4;
    options.journal.segments_max = 8;
    options.journal.grow_on_helper_thread = false;
    options.checkpoint_bytes = 64_KiB;
    options.slice_bytes = 256_KiB;
    options.rewrite_after = {};
    options.entry_bytes_max = 32_KiB;
    options.tail_cache_bytes = 128_KiB;
    options.unflushed_bytes_max = 1_MiB;
    options.block_cache_bytes = 1_MiB;
    options.reserve_bytes = 0;
    return options;
}

struct StoreFixture {
    explicit StoreFixture(std::uint64_t seed = 1) : simulated(seed) {}
    ~StoreFixture() {
        store.reset();
        if (!root.empty()) std::filesystem::remove_all(root);
    }

    // --- verbs -----------------------------------------------------------------------------------

    Result<void> open() {
        store.reset();
        advanced.clear();
        auto opened = Store::open(*disk, options);
        if (!opened) return opened.error();
        store = std::move(*opened);
        return {};
    }
    void must_open() {
        const auto opened = open();
        REQUIRE_MESSAGE(opened.has_value(), (opened ? std::string() : opened.error().message()));
    }
    // A power cut and a new process.
    void crash() {
        simulated.crash();
        must_open();
    }
    void restart() {
        drain();
        must_open();
    }
    AppendTicket append(LogId log, const Events& events,
                        RetentionClass retention = RetentionClass::unlimited) {
        while (store->congested() && !store->failure()) {  // what a broker does
            wait_for_news();
        }
        const auto ticket = try_append(log, events, retention);
        REQUIRE_MESSAGE(ticket.has_value(), (ticket ? std::string() : ticket.error().message()));
        return *ticket;
    }
    Result<AppendTicket> try_append(LogId log, const Events& events,
                                    RetentionClass retention = RetentionClass::unlimited) {
        return store->append(log, retention, batch_of(events), ++now);
    }
    // Until everything appended is durable.
    void settle(JournalSequence through) {
        while (store->durable_through() < through && !store->failure())
            wait_for_news();
    }
    void settle(const AppendTicket& ticket) { settle(ticket.sequence); }
    void poll() { store->poll(advanced, answers); }
    void wait_for_news() {
        test::wait_for_news(*store);
        poll();
    }
    void drain() {
        const auto drained = store->drain();
        REQUIRE_MESSAGE(drained.has_value(), (drained ? std::string() : drained.error().message()));
    }
    // Everything in `log` from `from` on, from wherever it is.
    Events read(LogId log, std::uint64_t from = 0) {
        Events events;
        const auto failure = read_into(events, log, from);
        REQUIRE_MESSAGE(!failure, (failure ? failure->message() : std::string()));
        return events;
    }
    // The same, until it fails.
    std::optional<Error> read_into(Events& events, LogId log, std::uint64_t from = 0,
                                   std::size_t bytes_max = 64_KiB) {
        const auto state = store->log_state(log);
        const std::uint64_t end = state ? state->end.value() : 0;
        while (from < end) {
            std::vector<BatchRef> batches;
            if (!store->read_tail(log, Offset(from), Offset(end), bytes_max, batches)) {
                auto cold = read_cold({.token = 1,
                                       .log = log,
                                       .from = Offset(from),
                                       .until = Offset(end),
                                       .bytes_max = bytes_max});
                if (!cold) return cold.error();
                batches = std::move(*cold);
            }
            if (batches.empty()) break;
            for (auto& event : events_of(batches))
                events.push_back(std::move(event));
            from = wire::BatchView::parse(batches.back().bytes)->end_offset().value();
        }
        return std::nullopt;
    }
    Result<std::vector<BatchRef>> read_cold(const ReadRequest& request) {
        store->post_read(request);
        while (answers.empty() && !store->failure())
            wait_for_news();
        REQUIRE(!answers.empty());
        auto batches = std::move(answers.front().batches);
        answers.erase(answers.begin());
        return batches;
    }
    std::map<std::string, std::string> rows(StateTable table) {
        std::map<std::string, std::string> found;
        store->scan(table, [&](std::string_view key, std::string_view value) {
            found.emplace(key, value);
        });
        return found;
    }
    // Until there is nothing left to reclaim: each time, one slice is rewritten at most.
    void reclaim() {
        drain();  // goes by what is stored
        std::uint64_t before = 0;
        do {
            before = store->stats().sst_bytes;
            store->post_reclaim();
            drain();
        } while (store->stats().sst_bytes != before);
    }
    void use_real_disk() {
        root = std::filesystem::temp_directory_path() /
               ("casc_store_test_" + std::to_string(::getpid()));
        std::filesystem::remove_all(root);
        std::filesystem::create_directories(root);
        std::string why;
        real = std::move(*make_best_disk(root, why));
        disk = real.get();
        options.directory = root / "data";
    }

    SimulatedDisk simulated;
    std::unique_ptr<Disk> real;
    Disk* disk = &simulated;
    std::filesystem::path root;
    StoreOptions options = small_options();
    std::unique_ptr<Store> store;
    std::vector<Advanced> advanced;
    std::vector<ReadAnswer> answers;
    struct Clock {
        std::int64_t value = 1'000'000;
        EpochNanos operator++() { return EpochNanos(++value); }
    } now;
};

}  // namespace casc::storage
