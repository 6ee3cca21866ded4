#include "shard.hpp"

#include <casc/broker/broker.hpp>
#include <casc/broker/logging.hpp>
#include <casc/storage/disk.hpp>
#include <casc/types/thread.hpp>

#include <future>
#include <pthread.h>
#include <thread>

namespace casc::broker {
namespace {

Result<std::unique_ptr<storage::Disk>> open_disk(const Config& config) {
    const auto& choice = config.storage.disk;
    if (choice == "io_uring") return storage::make_uring_disk(config.node.data_directory);
    if (choice == "pwritev2") return storage::make_sync_disk();
    std::string why;
    auto disk = storage::make_best_disk(config.node.data_directory, why);
    if (disk && !why.empty())
        log_event(LogLevel::warn, "disk_fallback", {{"disk", (*disk)->name()}, {"why", why}});
    return disk;
}

// One budget: half for batches kept for readers at the tail, a quarter for what no checkpoint has
// taken yet; the rest is for what is queued to connections, RocksDB's caches and the state.
storage::StoreOptions store_options(const Config& config) {
    storage::StoreOptions options;
    options.directory = config.node.data_directory;
    options.journal.segment_bytes = config.storage.journal_segment_bytes;
    options.journal.segments_min = config.storage.journal_segments_min;
    options.journal.segments_max = config.storage.journal_segments_max;
    options.checkpoint_bytes = config.storage.checkpoint_bytes;
    options.slice_bytes = config.storage.slice_bytes;
    options.rewrite_after = config.storage.rewrite_after;
    options.reserve_bytes = config.storage.reserve_bytes;
    options.tail_cache_bytes = config.limits.memory_bytes / 2;
    options.unflushed_bytes_max = config.limits.memory_bytes / 2;
    options.block_cache_bytes = config.limits.memory_bytes / 16;
    return options;
}

}  // namespace

class Broker::Impl {
public:
    Impl(std::unique_ptr<storage::Disk> opened_disk, std::unique_ptr<Shard> opened_shard)
        : disk(std::move(opened_disk)), shard(std::move(opened_shard)) {
        std::promise<Result<void>> finished;
        outcome = finished.get_future();
        thread = std::thread([this, finished = std::move(finished)]() mutable {
            pthread_setname_np(pthread_self(), "casc-shard");
            run_promptly();
            finished.set_value(shard->run());
        });
    }
    ~Impl() {
        shard->post([this] { shard->begin_drain(); });
        if (thread.joinable()) thread.join();
    }

    std::unique_ptr<storage::Disk> disk;
    std::unique_ptr<Shard> shard;
    std::future<Result<void>> outcome;
    std::thread thread;
};

Broker::Broker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Broker::~Broker() = default;

Result<std::unique_ptr<Broker>> Broker::start(const LoadedConfig& loaded) {
    CASC_TRY(auto disk, open_disk(loaded.config));
    const MonoNanos before = mono_now();
    CASC_TRY(auto store, storage::Store::open(*disk, store_options(loaded.config)));
    const storage::Store::Stats stats = store->stats();
    log_event(LogLevel::info, "recovered",
              {{"directory", loaded.config.node.data_directory.string()},
               {"disk", disk->name()},
               {"logs", stats.logs},
               {"replayed_entries", stats.replayed_entries},
               {"torn_entries", stats.torn_entries},
               {"ms", (mono_now() - before).value() / 1'000'000}});
    auto shard = std::make_unique<Shard>(loaded, *disk, std::move(store));
    CASC_TRY_VOID(shard->prepare());
    return std::unique_ptr<Broker>(
        new Broker(std::make_unique<Impl>(std::move(disk), std::move(shard))));
}

std::vector<std::string> Broker::endpoints() const {
    return impl_->shard->endpoints();
}

void Broker::request_drain() {
    impl_->shard->post([shard = impl_->shard.get()] { shard->begin_drain(); });
}

Result<void> Broker::wait() {
    return impl_->outcome.get();
}

std::vector<std::string> Broker::reload(const LoadedConfig& config) {
    auto done = std::make_shared<std::promise<std::vector<std::string>>>();
    auto answer = done->get_future();
    impl_->shard->post(
        [shard = impl_->shard.get(), config, done] { done->set_value(shard->reload(config)); });
    if (answer.wait_for(std::chrono::seconds(5)) != std::future_status::ready) return {};
    return answer.get();
}

Result<std::vector<MetricFamily>> Broker::metrics(milliseconds deadline) {
    auto done = std::make_shared<std::promise<std::vector<MetricFamily>>>();
    auto answer = done->get_future();
    impl_->shard->post([shard = impl_->shard.get(), done] { done->set_value(shard->metrics()); });
    if (answer.wait_for(deadline) != std::future_status::ready)
        return Error(ErrorCode::timeout, "the shard's loop did not turn within " +
                                             std::to_string(deadline.count()) + " ms");
    return answer.get();
}

bool Broker::ready(std::string& why) const {
    if (impl_->shard->failed()) {
        why = "storage has failed; see the log, then restart";
        return false;
    }
    if (impl_->shard->draining()) {
        why = "the broker is stopping";
        return false;
    }
    return true;
}

}  // namespace casc::broker
