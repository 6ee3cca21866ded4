// The `storage` workload: the event store without a network. One thread appends batches as fast as
// the store takes them, until everything is in the journal and in RocksDB's files; then the store
// is opened again and read cold. Beside it in the same run: the bare device, RocksDB's own
// write-ahead log with the same rows, and the bare reading of files.

#include "host.hpp"
#include "limits_disk.hpp"
#include "limits_rocksdb.hpp"
#include "need.hpp"
#include "payload.hpp"
#include "process_stats.hpp"
#include "progress.hpp"
#include "scratch_folder.hpp"
#include "workload.hpp"

#include <casc/storage/store.hpp>
#include <casc/types/clock.hpp>
#include <casc/wire/batch_builder.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kRocksdbBytes = 512u << 20;
constexpr std::uint64_t kRawBytes = 2ull << 30;
constexpr std::uint64_t kStoreWarmUpBytes = 1ull << 30;
constexpr std::size_t kDifferentBatches = 64;
constexpr std::size_t kReadBytes = 1u << 20;
const LogId kLog(TopicId(1), PartitionId(0), Lane::normal);

double seconds_since(Clock::time_point began) {
    return std::chrono::duration<double>(Clock::now() - began).count();
}

// Rows of about the asked size; all have the same number of events.
class Rows {
public:
    Rows(std::size_t batch_bytes, std::size_t payload_bytes) : payload_bytes_(payload_bytes) {
        // 4 bytes per event is where its payload ends; the rest is the batch's own.
        if (batch_bytes < wire::kBatchOverheadBytes + payload_bytes + 4)
            throw std::runtime_error("an event must fit --batch-bytes");
        event_count_ = std::min((batch_bytes - wire::kBatchOverheadBytes) / (payload_bytes + 4),
                                wire::kBatchEventsMax);
        Payloads payloads(payload_bytes);
        wire::BatchBuilder builder;
        std::uint64_t sequence = 0;
        for (std::size_t i = 0; i < kDifferentBatches; ++i) {
            for (std::size_t event = 0; event < event_count_; ++event) {
                builder.add_payload(payloads.next({sequence++, 0, 0, 0}), wall_now());
            }
            auto& batch = batches_.emplace_back();
            batch.resize(builder.finish({}, batch).size());
            builder.reset();
        }
    }

    [[nodiscard]] std::size_t batch_bytes() const { return batches_.front().size(); }
    [[nodiscard]] std::uint64_t payload_bytes() const { return event_count_ * payload_bytes_; }
    [[nodiscard]] std::uint64_t event_count() const { return event_count_; }
    [[nodiscard]] std::span<const std::byte> row(std::uint64_t number) const {
        return batches_[number % batches_.size()];
    }
    [[nodiscard]] std::vector<std::span<const std::byte>> all() const {
        return {batches_.begin(), batches_.end()};
    }

private:
    const std::size_t payload_bytes_;
    std::size_t event_count_ = 0;
    std::vector<std::vector<std::byte>> batches_;
};

// Drives a store the way a broker's event loop does.
class Driver {
public:
    Driver(storage::Disk& disk, const std::filesystem::path& directory) {
        storage::StoreOptions options;
        options.directory = directory;
        store_ = need(storage::Store::open(disk, options), "opening the store");
    }

    [[nodiscard]] storage::Store& store() { return *store_; }

    // Appends `count` rows; returns when all of them are durable and checkpointed. The time from
    // append to durable of each goes into `latency`.
    void append(const Rows& rows, std::uint64_t count, bool drained, Histogram& latency,
                const std::function<void(double)>& show) {
        for (std::uint64_t done = 0; done < count;) {
            if (store_->congested() || !append_one(rows.row(next_row_))) {
                wait();
            } else {
                ++next_row_;
                ++done;
                if (done % 1024 == 0) show(static_cast<double>(done) / static_cast<double>(count));
            }
            turn(latency);
        }
        if (drained) need(store_->drain(), "draining");
        turn(latency);
    }

    // Everything from the start of the log, the next part being read while the last one is looked
    // at; returns the bytes.
    std::uint64_t read_everything() {
        const Offset end = need_log().end;
        Offset due(0);
        std::uint64_t bytes = 0;
        post_read(due, end);
        while (due < end) {
            answers_.clear();
            store_->poll(advanced_, answers_);
            if (answers_.empty()) wait();
            for (storage::ReadAnswer& answer : answers_) {
                const auto batches = need(std::move(answer.batches), "reading");
                if (batches.empty()) throw std::runtime_error("a batch is missing");
                const auto last = need(wire::BatchView::parse(batches.back().bytes), "reading");
                if (last.end_offset() < end) post_read(last.end_offset(), end);
                for (const storage::BatchRef& batch : batches) {
                    const auto view = need(wire::BatchView::parse(batch.bytes), "reading");
                    if (view.base_offset() != due)
                        throw std::runtime_error("a batch is missing or out of place");
                    due = view.end_offset();
                    bytes += batch.bytes.size();
                }
            }
        }
        return bytes;
    }

private:
    bool append_one(std::span<const std::byte> row) {
        const auto ticket = store_->append(kLog, storage::RetentionClass::week, row, wall_now());
        if (!ticket) {
            if (ticket.error().code == ErrorCode::overloaded) return false;
            throw std::runtime_error("appending: " + ticket.error().message());
        }
        waiting_.push_back({ticket->sequence, Clock::now()});
        return true;
    }

    void turn(Histogram& latency) {
        store_->submit();
        answers_.clear();
        advanced_.clear();
        const JournalSequence durable = store_->poll(advanced_, answers_);
        store_->submit();  // what waited for the writes that have completed
        if (store_->failure())
            throw std::runtime_error("the store has failed: " + store_->failure()->message());
        const auto now = Clock::now();
        for (; first_waiting_ < waiting_.size() && waiting_[first_waiting_].sequence <= durable;
             ++first_waiting_) {
            latency.record(
                static_cast<std::uint64_t>((now - waiting_[first_waiting_].appended).count()));
        }
        if (first_waiting_ == waiting_.size()) {
            waiting_.clear();
            first_waiting_ = 0;
        }
    }

    void post_read(Offset from, Offset until) {
        store_->post_read({0, kLog, from, until, kReadBytes});
    }

    void wait() const {
        std::vector<pollfd> sources;
        for (const int fd : store_->event_fds())
            sources.push_back({fd, POLLIN, 0});
        std::int64_t ns = 100'000'000;
        if (const auto at = store_->admits_at())
            ns = std::clamp<std::int64_t>((*at - mono_now()).value(), 0, ns);
        const timespec limit{.tv_sec = 0, .tv_nsec = ns};
        ::ppoll(sources.data(), sources.size(), &limit, nullptr);
    }

    storage::LogState need_log() const {
        const auto state = store_->log_state(kLog);
        if (!state) throw std::runtime_error("the log is gone");
        return *state;
    }

    struct Waiting {
        JournalSequence sequence;
        Clock::time_point appended;
    };
    std::unique_ptr<storage::Store> store_;
    std::uint64_t next_row_ = 0;
    std::vector<Waiting> waiting_;
    std::size_t first_waiting_ = 0;
    std::vector<storage::Advanced> advanced_;
    std::vector<storage::ReadAnswer> answers_;
};

struct Written {
    double seconds = 0;
    std::uint64_t disk_bytes = 0;
    storage::Store::Stats before;
    storage::Store::Stats after;
};

Written write_rows(Driver& driver, const Rows& rows, std::uint64_t row_count, Report& report) {
    Progress progress("storage");
    Histogram warming;
    const std::uint64_t warm_rows = std::min(kStoreWarmUpBytes / rows.batch_bytes(), row_count / 4);
    driver.append(rows, warm_rows, true, warming, [](double) {});
    Written written;
    written.before = driver.store().stats();
    const std::uint64_t disk_before = own_disk_bytes_written();
    const auto began = Clock::now();
    driver.append(rows, row_count, true, report.latency_ns,
                  [&](double share) { progress.show(share); });
    written.seconds = seconds_since(began);
    written.disk_bytes = own_disk_bytes_written() - disk_before;
    written.after = driver.store().stats();
    return written;
}

void describe_reading(storage::Disk& disk, const std::filesystem::path& directory, Report& report) {
    auto& details = report.details;
    details["page_cache_dropped"] = drop_page_cache();
    {
        Driver driver(disk, directory);
        const auto began = Clock::now();
        const std::uint64_t bytes = driver.read_everything();
        const double seconds = seconds_since(began);
        details["read_cold_bytes_per_second"] = static_cast<double>(bytes) / seconds;
        details["read_bytes"] = bytes;
    }
    const RawRead raw = raw_cold_read(directory, ".sst");
    details["read_raw_bytes_per_second"] = raw.bytes_per_second();
    details["read_raw_way"] = raw.direct ? "O_DIRECT" : "buffered";
    details["read_share_of_raw"] =
        details["read_cold_bytes_per_second"].as_double() / raw.bytes_per_second();
}

void run_storage(const Options& options, Report& report) {
    if (options.acks != "durable")
        throw std::runtime_error("the store is always durable: --acks durable");
    const std::size_t payload_bytes = options.size_bytes.value_or(100);
    const std::uint64_t total_bytes = options.total_bytes.value_or(8ull << 30);
    const Rows rows(options.batch_bytes.value_or(64 * 1024), payload_bytes);
    const std::uint64_t row_count = std::max<std::uint64_t>(1, total_bytes / rows.batch_bytes());
    const ScratchFolder folder(options.data_folder);
    std::string why;
    const auto disk = need(storage::make_best_disk(folder.path(), why), "the disk");
    report.parameters = {{"batch_bytes", rows.batch_bytes()},
                         {"payload_bytes", payload_bytes},
                         {"events_per_batch", rows.event_count()},
                         {"total_bytes", row_count * rows.batch_bytes()},
                         {"acks", options.acks},
                         {"disk", disk->name()},
                         {"data_folder", folder.description()},
                         {"raw_in_flight", 8}};
    print_banner(report);

    // Before and after, because the device is somebody else's too: the limit is the mean of both.
    const std::uint64_t raw_bytes = std::min(kRawBytes, total_bytes);
    const auto raw = [&] {
        return raw_durable_writes(*disk, folder.path(), 64 * 1024, 8, raw_bytes).bytes_per_second;
    };
    const double raw_before = raw();
    Written written;
    {
        Driver driver(*disk, folder.path() / "store");
        written = write_rows(driver, rows, row_count, report);
    }
    const double raw_after = raw();
    const double rocksdb = rocksdb_wal_bytes_per_second(folder.path(), rows.all(),
                                                        std::min(kRocksdbBytes, total_bytes));

    const auto row_bytes = static_cast<double>(row_count * rows.batch_bytes());
    report.events_per_second =
        static_cast<double>(row_count * rows.event_count()) / written.seconds;
    report.bytes_per_second =
        static_cast<double>(row_count * rows.payload_bytes()) / written.seconds;
    report.limit.name = "io_uring, O_DIRECT + O_DSYNC, 64 KiB x 8 in flight, recycled file";
    report.limit.bytes_per_second = (raw_before + raw_after) / 2;
    report.share_of_limit = row_bytes / written.seconds / *report.limit.bytes_per_second;
    report.details = {
        {"row_bytes_per_second", row_bytes / written.seconds},
        {"raw_bytes_per_second", *report.limit.bytes_per_second},
        {"raw_before", raw_before},
        {"raw_after", raw_after},
        {"rocksdb_wal_bytes_per_second", rocksdb},
        {"ratio", row_bytes / written.seconds / rocksdb},
        {"write_amplification", static_cast<double>(written.disk_bytes) / row_bytes},
        {"journal_bytes", written.after.journal_bytes - written.before.journal_bytes},
        {"checkpoint_bytes", written.after.checkpoint_bytes - written.before.checkpoint_bytes},
        {"entries", written.after.entries - written.before.entries},
        {"checkpoints", written.after.checkpoints - written.before.checkpoints},
        {"measured_seconds", written.seconds}};
    describe_reading(*disk, folder.path() / "store", report);
    report.rss_bytes_max = own_rss_bytes_max();
    report.cpu_seconds.client = own_cpu_seconds();
}

constexpr std::array<std::string_view, 5> kStorageFlags{"--size", "--acks", "--batch-bytes",
                                                        "--total", "--data-dir"};

}  // namespace

extern const Workload kStorageWorkload;
const Workload kStorageWorkload{"storage", "How fast is the log itself, beside the bare device?",
                                kStorageFlags, run_storage};

}  // namespace casc::bench
