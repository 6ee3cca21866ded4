// storage/src/store_poll.cpp: what completes, and what the other two threads have to say.

#include "store_impl.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/clock.hpp>

#include <poll.h>

namespace casc::storage {

JournalSequence Store::Impl::poll(std::vector<Advanced>& advanced,
                                  std::vector<ReadAnswer>& answers) {
    collect();
    advanced.insert(advanced.end(), advanced_.begin(), advanced_.end());
    advanced_.clear();
    advanced_at_.clear();
    std::move(answers_.begin(), answers_.end(), std::back_inserter(answers));
    answers_.clear();
    return durable_through();
}

// Leaves the waker armed, so that whatever comes between two calls makes its descriptor readable.
void Store::Impl::collect() {
    if (waker_armed_) waker_->disarm();
    take_durable();
    do {
        take_news();
        take_answers();
        waker_->arm();
        waker_armed_ = true;
        if (!checkpoint_thread_->ready() && !reader_thread_->ready()) break;
        waker_->disarm();
    } while (true);
    ask_for_room();
    reclaim_what_is_due();
    send_waiting();
}

std::vector<int> Store::Impl::event_fds() const {
    std::vector<int> fds{waker_->fd()};
    if (journal_->event_fd() >= 0) fds.push_back(journal_->event_fd());
    return fds;
}

void Store::Impl::fail(Error error) {
    if (!failure_) failure_ = Error(ErrorCode::storage_failed, error.message());
    promised_bytes_ = 0;
}

// --- the journal ---------------------------------------------------------------------------------

void Store::Impl::take_durable() {
    const JournalSequence through = journal_->poll();
    if (journal_->failure()) fail(*journal_->failure());
    if (failure_) return;  // nothing becomes durable for others any more, see Store::failure()
    while (!in_flight_.empty() && in_flight_.front().sequence <= through) {
        Entry entry = std::move(in_flight_.front());
        in_flight_.pop_front();
        complete(std::move(entry));
    }
    if (through > durable_) last_completion_ = mono_now();
    durable_ = through;
    mark_when_idle();
}

// Only a later entry proves an entry durable to the next start (docs/storage_format.md, "Journal").
// A busy store writes one anyway; when nothing has come for a while, a mark is written. Not at
// once: a client that waits for each answer before it sends the next event would pay for two
// writes.
void Store::Impl::mark_when_idle() {
    const bool filling = builder_.started() && !builder_.empty();
    if (filling || !sealed_.empty() || !in_flight_.empty() || !journal_->needs_closing_mark())
        return;
    constexpr std::int64_t kIdleNs = 50'000'000;
    if ((mono_now() - last_completion_).value() < kIdleNs) return;
    // The open entry has its number already; it proves as much, also without any records.
    if (builder_.started())
        seal();
    else
        journal_->submit_closing_mark();
}

void Store::Impl::complete(Entry entry) {
    for (const LogChange& change : entry.changes) {
        const auto at = active_.find(change.log);
        CASC_ASSERT(at != active_.end(), change.log.value());
        at->second.durable_end = change.row.end;
        if (at->second.touched == entry.sequence) active_.erase(at);
        if (!change.appended || change.erased) continue;
        const auto [listed, is_new] = advanced_at_.try_emplace(change.log, advanced_.size());
        if (is_new) advanced_.push_back({change.log, Offset(change.row.end)});
        advanced_[listed->second].durable_end = Offset(change.row.end);
    }
    waiting_entry_bytes_ += entry.memory_bytes();
    waiting_orders_.push_back({.kind = CheckpointOrder::Kind::entry, .entry = std::move(entry)});
}

// --- the checkpoint thread -----------------------------------------------------------------------

// A read may wait for a lock of RocksDB's that the thread has.
bool Store::Impl::checkpoints_awaited() const {
    // These may take their time, but not for ever: on a machine that is always busy the thread
    // would not run at all, the disk would fill up and deleted events would stay on it.
    static constexpr std::chrono::nanoseconds patience = std::chrono::seconds(1);
    const auto is_late = [](MonoNanos since) {
        return (mono_now() - since).value() > patience.count();
    };
    return pace_.is_behind(unflushed_bytes_) || checkpoint_asked_ || !backups_.empty() ||
           !reads_.empty() || draining_ || closing_ ||
           (reclaim_asked_ && is_late(*reclaim_asked_)) ||
           (!rewrites_.empty() && is_late(rewrites_.front().since));
}

// At every hand-over and answer only, since reads come and go by the thousand.
void Store::Impl::unhurry_checkpoints() {
    if (!checkpoints_awaited()) checkpoint_thread_->hurry(false);
}

void Store::Impl::order(CheckpointOrder order) {
    waiting_orders_.push_back(std::move(order));
    order_waits_ = true;
    send_waiting();
}

// Entries go over some at a time: the thread has nothing to do for a single one, and each wake-up
// costs the shard more than the entry did.
void Store::Impl::send_waiting() {
    if (checkpoints_awaited()) checkpoint_thread_->hurry(true);
    const std::size_t worth_waking = std::min<std::size_t>(1_MiB, options_.checkpoint_bytes / 8);
    if (order_waits_ || waiting_entry_bytes_ >= worth_waking) send_orders();
    while (!waiting_reads_.empty() && reader_thread_->try_send(std::move(waiting_reads_.front())))
        waiting_reads_.pop_front();
}

void Store::Impl::send_orders() {
    unhurry_checkpoints();
    while (!waiting_orders_.empty() &&
           checkpoint_thread_->try_send(std::move(waiting_orders_.front())))
        waiting_orders_.pop_front();
    if (!waiting_orders_.empty()) return;  // the ring is full: again after the next news
    waiting_entry_bytes_ = 0;
    order_waits_ = false;
}

void Store::Impl::take_news() {
    const std::size_t unflushed_before = unflushed_bytes_;
    bool any = false;
    while (auto news = checkpoint_thread_->receive()) {
        any = true;
        flushed_through_ = std::max(flushed_through_, news->flushed_through);
        forget_flushed(*news);
        switch (news->kind) {
            case CheckpointNews::Kind::flushed:
                break;
            case CheckpointNews::Kind::checkpointed:
                checkpoint_asked_ = false;
                break;
            case CheckpointNews::Kind::reclaimed:
                reclaim_asked_.reset();
                reclaim_due_ = news->reclaim_due;
                waiting_reads_.push_back({.kind = ReadOrder::Kind::forget});
                break;
            case CheckpointNews::Kind::rewritten:
                // Whoever asked for it hears that it could not be done, and nothing was changed.
                // What harms the store, the checkpoint before it or the next one finds.
                if (news->reclaim_due) reclaim_due_ = news->reclaim_due;
                end_rewrite(*news);
                continue;
            case CheckpointNews::Kind::backed_up: {
                // A backup that fails (its disk is full, its folder is not empty) does not harm the
                // store.
                const auto done = std::move(backups_.front());
                backups_.pop_front();
                done(std::move(news->result));
                continue;
            }
            case CheckpointNews::Kind::closed:
                closed_ = true;
                break;
        }
        if (!news->result) fail(news->result.error());
    }
    if (any) unhurry_checkpoints();
    if (unflushed_bytes_ == unflushed_before) return;
    journal_->recycle_through(flushed_through_);
    tail_.evict(options_.tail_cache_bytes, flushed_through_);
    check_space();
}

void Store::Impl::forget_flushed(const CheckpointNews& news) {
    std::size_t stored = 0;
    while (!unflushed_.empty() && unflushed_.front().first <= flushed_through_) {
        stored += unflushed_.front().second;
        unflushed_.pop_front();
    }
    if (stored == 0) return;
    unflushed_bytes_ -= stored;
    pace_.flushed(stored, news.took, unflushed_bytes_);
}

void Store::Impl::end_rewrite(const CheckpointNews& news) {
    const PendingRewrite pending = std::move(rewrites_.front());
    rewrites_.pop_front();
    if (!news.result) return pending.done(news.result.error());
    // Stored with the next change of the log; until then a crash would leave an estimate, which is
    // what it is as soon as something is trimmed.
    if (logs_.find(pending.log) != nullptr) {
        LogRow row = logs_.row(pending.log);
        row.bytes -= std::min(row.bytes, news.rewritten.bytes);
        logs_.set(pending.log, row);
    }
    pending.done(news.rewritten);
}

void Store::Impl::post_rewrite(RewriteRequest request,
                               std::function<void(Result<Rewritten>)> done) {
    rewrites_.push_back({request.log, std::move(done), mono_now()});
    order({.kind = CheckpointOrder::Kind::rewrite, .rewrite = std::move(request)});
}

// The journal can be short of segments, or memory of room, before enough is durable for a
// checkpoint by size.
void Store::Impl::ask_for_room() {
    if (checkpoint_asked_ || failure_ || flushed_through_ >= durable_ || unflushed_.empty()) return;
    const bool memory_short = unflushed_bytes_ >= unflushed_limit();
    if (!memory_short && journal_->usage().segments_free > 0) return;
    checkpoint_asked_ = true;
    waiting_orders_.push_back({.kind = CheckpointOrder::Kind::checkpoint});
    order_waits_ = true;
}

void Store::Impl::post_reclaim() {
    if (reclaim_asked_ || failure_) return;
    reclaim_asked_ = mono_now();
    check_space();
    order({.kind = CheckpointOrder::Kind::reclaim, .space_short = disk_full_});
}

void Store::Impl::reclaim_what_is_due() {
    if (!reclaim_due_ || reclaim_asked_ || draining_ || closing_) return;
    if (!disk_full_ && mono_now() < *reclaim_due_) return;
    reclaim_due_.reset();
    post_reclaim();
}

void Store::Impl::post_backup(const std::filesystem::path& target,
                              std::function<void(Result<std::uint64_t>)> done) {
    backups_.push_back(std::move(done));
    order({.kind = CheckpointOrder::Kind::backup, .entry = {}, .target = target});
}

// --- the reader thread ---------------------------------------------------------------------------

void Store::Impl::post_read(const ReadRequest& request) {
    PendingRead read{request, tail_.front(request.log)};
    const LogRow row = logs_.row(request.log);
    read.request.from = std::max(request.from, Offset(row.start));
    send_read(std::move(read));
}

void Store::Impl::send_read(PendingRead read) {
    const std::uint64_t number = next_read_++;
    ReadOrder asked{.kind = ReadOrder::Kind::read, .request = read.request};
    asked.request.token = number;
    reads_.emplace(number, std::move(read));
    waiting_reads_.push_back(std::move(asked));
    ++stats_.cold_reads;
    send_waiting();
}

void Store::Impl::take_answers() {
    while (auto answer = reader_thread_->receive()) {
        const auto at = reads_.find(answer->token);
        CASC_ASSERT(at != reads_.end(), answer->token);
        PendingRead read = std::move(at->second);
        reads_.erase(at);
        if (answer->batches && answer->batches->empty()) {
            answer_empty(std::move(read));
        } else {
            answers_.push_back({read.request.token, std::move(answer->batches)});
        }
    }
}

// RocksDB has nothing at or behind `from`. Everything below what the cache held when the read was
// posted had been stored by then, so the cache continues exactly there; unless it has moved on
// meanwhile, then RocksDB has more now.
void Store::Impl::answer_empty(PendingRead read) {
    const ReadRequest& request = read.request;
    const auto front = tail_.front(request.log);
    if (front != read.cache_front) {
        read.cache_front = front;
        return send_read(std::move(read));
    }
    std::vector<BatchRef> batches;
    if (front) {
        const bool found = tail_.read(request.log, std::max(request.from.value(), *front),
                                      request.until.value(), request.bytes_max, batches);
        CASC_ASSERT(found, *front);
    }
    answers_.push_back({request.token, std::move(batches)});
}

// --- stopping ------------------------------------------------------------------------------------

bool Store::Impl::all_stored() const {
    return !builder_.started() && unflushed_.empty();
}

// Not for ever: there are things that nothing signals. An order that found the ring full goes over
// when there is room; a write that the kernel did not take, and all writes of a queue without a
// descriptor, go on with the next poll.
void Store::Impl::wait_for_news() {
    constexpr int kLookAgainMs = 100;
    if (journal_->writes_in_flight() > 0 && journal_->event_fd() < 0)
        return;  // the next poll completes them
    std::vector<pollfd> sources;
    for (const int fd : event_fds())
        sources.push_back({fd, POLLIN, 0});
    const int ready = ::poll(sources.data(), sources.size(), kLookAgainMs);
    CASC_ASSERT(ready >= 0 || errno == EINTR, errno);
}

Result<void> Store::Impl::drain() {
    draining_ = true;
    auto drained = drain_all();
    draining_ = false;
    unhurry_checkpoints();
    return drained;
}

Result<void> Store::Impl::drain_all() {
    for (;;) {
        if (builder_.started() && builder_.empty())
            seal();  // room was made for records that never came
        hurry(filling());
        submit(mono_now());
        collect();
        if (failure_) return *failure_;
        if (all_stored() && !reclaim_asked_ && backups_.empty() && rewrites_.empty()) break;
        const bool journaled = !builder_.started() && sealed_.empty() && in_flight_.empty();
        if (journaled && !unflushed_.empty() && !checkpoint_asked_) {
            checkpoint_asked_ = true;
            order({.kind = CheckpointOrder::Kind::checkpoint});
        }
        // submit() again first when a write slot has just become free, be it for an entry that is
        // sealed or for the one that is still being filled: nothing else would wake us.
        const std::size_t next_bytes =
            sealed_.empty() ? builder_.body_bytes() : sealed_.front().body_bytes;
        if (!journaled && in_flight_.empty() && journal_->can_submit(next_bytes)) continue;
        wait_for_news();
    }
    // Without this proof the next start could not tell a torn last entry from a damaged one.
    journal_->submit_closing_mark();
    while (journal_->writes_in_flight() > 0)
        durable_ = journal_->wait();
    if (journal_->failure()) {
        fail(*journal_->failure());
        return *failure_;
    }
    return {};
}

// A store that is destroyed with everything drained was shut down in order; otherwise the next
// start treats it like one that was killed. What is being reclaimed is waited for.
void Store::Impl::close() {
    if (failure_ || !all_stored() || !backups_.empty() || !rewrites_.empty()) return;
    closing_ = true;
    order({.kind = CheckpointOrder::Kind::close});
    while (!closed_ && !failure_) {
        collect();
        if (!closed_ && !failure_) wait_for_news();
    }
}

Store::Impl::~Impl() {
    if (checkpoint_thread_ != nullptr) close();
    reader_thread_.reset();
    checkpoint_thread_.reset();
}

}  // namespace casc::storage
