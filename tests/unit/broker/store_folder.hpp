#pragma once
// A real store in a folder of its own, for the parts of the broker that keep rows.

#include <casc/storage/store.hpp>
#include <casc/wire/batch_builder.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace casc::broker {

inline std::vector<std::byte> batch_of(std::uint32_t events, Lane lane = Lane::normal,
                                       wire::FinishOptions options = {},
                                       std::size_t payload_bytes = 16) {
    wire::BatchBuilder builder(lane);
    const std::string payload(payload_bytes, 'x');
    for (std::uint32_t i = 0; i < events; ++i)
        builder.add_payload(std::as_bytes(std::span(payload)), EpochNanos(1));
    std::vector<std::byte> bytes;
    builder.finish(options, bytes);
    return bytes;
}

struct StoreFolder {
    StoreFolder() {
        std::string name =
            (std::filesystem::temp_directory_path() / "casc-broker-unit-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        folder = name;
        auto made = storage::make_sync_disk();
        REQUIRE(made);
        disk = *std::move(made);
        open();
    }
    ~StoreFolder() {
        store.reset();
        std::filesystem::remove_all(folder);
    }

    void open() {
        store.reset();
        storage::StoreOptions options;
        options.directory = folder / "data";
        options.journal.segment_bytes = 1_MiB;
        options.journal.segments_min = 2;
        options.journal.segments_max = 4;
        options.checkpoint_bytes = 256_KiB;
        options.entry_bytes_max = 64_KiB;
        options.tail_cache_bytes = 64_KiB;
        options.reserve_bytes = 0;
        auto opened = storage::Store::open(*disk, options);
        REQUIRE_MESSAGE(opened, opened.error().message());
        store = *std::move(opened);
    }
    void restart() {
        REQUIRE(store->drain());
        open();
    }
    storage::AppendTicket append(LogId log, std::span<const std::byte> batch) {
        auto ticket = store->append(log, storage::RetentionClass::unlimited, batch, EpochNanos(1));
        REQUIRE_MESSAGE(ticket, ticket.error().message());
        return *ticket;
    }
    // Until everything that was added is durable.
    std::vector<storage::Advanced> settle() {
        std::vector<storage::Advanced> advanced;
        const JournalSequence last(store->filling().value() - 1);
        store->submit();
        const JournalSequence through =
            std::max(last, JournalSequence(store->filling().value() - 1));
        while (store->durable_through() < through) {
            store->submit();
            store->poll(advanced, answers);
            REQUIRE(!store->failure());
        }
        return advanced;
    }

    std::filesystem::path folder;
    std::unique_ptr<storage::Disk> disk;
    std::unique_ptr<storage::Store> store;
    std::vector<storage::ReadAnswer> answers;
};

}  // namespace casc::broker
