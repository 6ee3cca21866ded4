#include "store_impl.hpp"

namespace casc::storage {

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(Disk& disk, const StoreOptions& options) {
    auto impl = std::make_unique<Impl>(disk, options);
    CASC_TRY_VOID(impl->recover());
    return std::unique_ptr<Store>(new Store(std::move(impl)));
}

void Store::scan(StateTable table,
                 const std::function<void(std::string_view, std::string_view)>& row) {
    impl_->scan(table, row);
}

Result<AppendTicket> Store::append(LogId log, RetentionClass retention,
                                   std::span<const std::byte> batch, EpochNanos now,
                                   Urgency urgency) {
    return impl_->append(log, retention, batch, now, urgency);
}
Result<JournalSequence> Store::put(StateTable table, std::string_view key, std::string_view value,
                                   Urgency urgency) {
    return impl_->add_row(RecordKind::put, table, key, value, urgency);
}
Result<JournalSequence> Store::erase(StateTable table, std::string_view key) {
    return impl_->add_row(RecordKind::erase, table, key, {}, Urgency::now);
}
Result<JournalSequence> Store::trim(LogId log, Offset start) {
    return impl_->trim(log, start);
}
Result<JournalSequence> Store::erase_log(LogId log) {
    return impl_->erase_log(log);
}
Result<JournalSequence> Store::reserve(LogId log, Offset ceiling) {
    return impl_->reserve(log, ceiling);
}
Result<void> Store::keep_together(std::size_t batch_bytes, std::size_t row_bytes) {
    return impl_->keep_together(batch_bytes, row_bytes);
}
JournalSequence Store::filling() const noexcept {
    return impl_->filling();
}
void Store::submit(MonoNanos until) {
    impl_->submit(until);
}
void Store::hurry(JournalSequence sequence) {
    impl_->hurry(sequence);
}
std::optional<MonoNanos> Store::submit_due() const noexcept {
    return impl_->submit_due();
}

JournalSequence Store::poll(std::vector<Advanced>& advanced, std::vector<ReadAnswer>& answers) {
    return impl_->poll(advanced, answers);
}
std::vector<int> Store::event_fds() const {
    return impl_->event_fds();
}
JournalSequence Store::durable_through() const noexcept {
    return impl_->durable_through();
}
bool Store::congested() const noexcept {
    return impl_->congested();
}
std::optional<MonoNanos> Store::admits_at() const noexcept {
    return impl_->admits_at();
}
Result<void> Store::accepts() {
    return impl_->accepts();
}
const std::optional<Error>& Store::failure() const noexcept {
    return impl_->failure();
}

std::optional<LogState> Store::log_state(LogId log) const {
    return impl_->log_state(log);
}
void Store::for_each_log(LogId first, LogId last,
                         const std::function<void(LogId, const LogState&)>& visit) const {
    impl_->for_each_log(first, last, visit);
}
bool Store::read_tail(LogId log, Offset from, Offset until, std::size_t bytes_max,
                      std::vector<BatchRef>& into) {
    return impl_->read_tail(log, from, until, bytes_max, into);
}
void Store::post_read(const ReadRequest& request) {
    impl_->post_read(request);
}
Result<TimeLookup> Store::find_time(LogId log, EpochNanos time) {
    return impl_->find_time(log, time);
}
Result<Offset> Store::start_for_bytes(LogId log, std::uint64_t bytes) {
    return impl_->start_for_bytes(log, bytes);
}

void Store::post_reclaim() {
    impl_->post_reclaim();
}
void Store::scan_keys(const std::function<void(LogId, std::string_view, const KeyState&)>& visit) {
    impl_->scan_keys(visit);
}
void Store::scan_compacted(const std::function<void(LogId, const CompactedState&)>& visit) {
    impl_->scan_compacted(visit);
}
void Store::post_rewrite(RewriteRequest request, std::function<void(Result<Rewritten>)> done) {
    impl_->post_rewrite(std::move(request), std::move(done));
}
void Store::post_backup(const std::filesystem::path& target,
                        std::function<void(Result<std::uint64_t> bytes)> done) {
    impl_->post_backup(target, std::move(done));
}
Result<void> Store::drain() {
    return impl_->drain();
}
Store::Stats Store::stats() const {
    return impl_->stats();
}

}  // namespace casc::storage
