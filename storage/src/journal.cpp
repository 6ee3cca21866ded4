#include "journal_format.hpp"
#include "journal_recovery.hpp"
#include "journal_segments.hpp"

#include <casc/storage/journal.hpp>
#include <casc/types/assert.hpp>
#include <casc/types/clock.hpp>
#include <casc/types/fail_point.hpp>

#include <algorithm>
#include <cstring>
#include <random>

namespace casc::storage {

using detail::entry_bytes;
using detail::JournalScan;
using detail::SegmentSet;

namespace {

std::uint32_t draw_salt() {
    std::random_device device;
    std::uint32_t salt = 0;
    while (salt == 0)
        salt = device();
    return salt;
}

Result<void> check_options(const JournalOptions& options) {
    const auto refuse = [](const char* why) { return Error(ErrorCode::invalid_config, why); };
    if (options.segment_bytes % kBlockAlignment != 0 || options.segment_bytes < 2 * kBlockAlignment)
        return refuse("journal segment_bytes must be a multiple of 4 KiB and at least 8 KiB");
    if (options.segments_min < 2 || options.segments_max < options.segments_min)
        return refuse("journal segments_min must be at least 2 and at most segments_max");
    if (options.writes_in_flight < 1) return refuse("journal writes_in_flight must be at least 1");
    return {};
}

void fill_report(const JournalScan& scan, RecoveryReport& report) {
    report.first = scan.first;
    report.last = scan.last;
    report.entries = scan.entries;
    report.generation = scan.last_generation;
    report.torn_entries = scan.torn_entries;
}

// So many times the writes in flight may lie between the oldest incomplete entry and the newest: a
// slow write does not keep the slots of the fast ones behind it empty (64 KiB x 8: 0.8 of the raw
// disk without it).
constexpr std::size_t kWindow = 4;

}  // namespace

// Thread: owning shard.
class Journal::Impl {
public:
    Impl(Disk& disk, const JournalOptions& options, std::unique_ptr<WriteQueue> queue)
        : queue_(std::move(queue)),
          segment_bytes_(options.segment_bytes),
          writes_in_flight_max_(options.writes_in_flight),
          segments_(disk, *queue_, options),
          in_flight_(kWindow * options.writes_in_flight) {}
    ~Impl() { wait_for_all(); }

    [[nodiscard]] Result<void> start(const JournalScan& scan, std::uint32_t salt,
                                     JournalSequence continue_after);

    [[nodiscard]] bool can_submit(std::uint64_t body_bytes) noexcept {
        return !failure_ && incomplete_ < writes_in_flight_max_ &&
               next_ - durable_ <= JournalSequence::distance(in_flight_.size()) &&
               segments_.has_room(entry_bytes(body_bytes));
    }
    JournalSequence submit(BlockRef entry, std::size_t body_bytes, std::uint32_t body_crc,
                           std::uint32_t record_count, std::uint32_t flags);
    void submit_mark(std::uint32_t flags);
    void poll();
    void wait();
    [[nodiscard]] bool needs_closing_mark() const noexcept {
        return incomplete_ == 0 && !failure_ && newest_to_prove_ > proven_;
    }

    // Fixed after start().
    std::unique_ptr<WriteQueue> queue_;
    const std::size_t segment_bytes_;
    const unsigned writes_in_flight_max_;
    std::uint32_t generation_ = 0;
    std::uint32_t salt_ = 0;
    // Owned by the shard.
    BlockPool marks_{kBlockAlignment, 2 * kBlockAlignment};
    SegmentSet segments_;
    JournalSequence next_{1};
    JournalSequence durable_{};
    std::optional<Error> failure_;
    unsigned incomplete_ = 0;

private:
    struct InFlight {
        BlockRef entry;
        bool complete = false;
    };
    [[nodiscard]] InFlight& slot(JournalSequence sequence) {
        return in_flight_[sequence.value() % in_flight_.size()];
    }
    void take_completions();
    void complete(const WriteCompletion& completion);
    void wait_for_all();

    std::vector<InFlight> in_flight_;  // the entries after durable_, by sequence modulo its size
    std::vector<WriteCompletion> completed_;
    std::uint32_t previous_crc_ = 0;
    JournalSequence proven_{};           // durable_through of the newest entry submitted
    JournalSequence newest_to_prove_{};  // the newest entry that is not a mark
};

// The opening mark is durable before anybody may submit: entries of an older generation that are
// still lying behind the tail can never again follow an entry of the chain.
Result<void> Journal::Impl::start(const JournalScan& scan, std::uint32_t salt,
                                  JournalSequence continue_after) {
    generation_ =
        scan.generation_max + (seeded_bug("no_generation_bump") && scan.entries > 0 ? 0 : 1);
    salt_ = scan.salt != 0 ? scan.salt : salt;
    previous_crc_ = scan.last_crc;
    durable_ = scan.entries > 0 ? scan.last : continue_after;
    next_ = durable_.next();
    CASC_TRY_VOID(segments_.open(scan));
    CASC_TRY_VOID(segments_.make_room_for_mark());
    CASC_FAIL_POINT("journal.opening");
    submit_mark(kEntryOpeningMark);
    wait_for_all();
    if (failure_) return *failure_;
    return {};
}

JournalSequence Journal::Impl::submit(BlockRef entry, std::size_t body_bytes,
                                      std::uint32_t body_crc, std::uint32_t record_count,
                                      std::uint32_t flags) {
    CASC_ASSERT(can_submit(body_bytes), next_.value(), durable_.value(), body_bytes);
    const auto bytes = entry_bytes(body_bytes);
    const auto memory = entry.bytes().first(bytes);
    const auto sequence = next_;
    previous_crc_ = detail::write_header({.magic = 0,
                                          .generation = generation_,
                                          .record_count = record_count,
                                          .sequence = sequence.value(),
                                          .durable_through = durable_.value(),
                                          .body_bytes = static_cast<std::uint32_t>(body_bytes),
                                          .body_crc = body_crc,
                                          .previous_crc = previous_crc_,
                                          .flags = flags,
                                          .written_at = wall_now().value(),
                                          .salt = salt_,
                                          .header_crc = 0},
                                         memory);
    const auto padding = memory.subspan(kEntryHeaderBytes + body_bytes);
    std::fill(padding.begin(), padding.end(), std::byte{0});
    proven_ = durable_;
    if ((flags & detail::kEntryMarks) == 0) newest_to_prove_ = sequence;

    const auto place = segments_.place(sequence, bytes);
    slot(sequence) = {std::move(entry), false};
    next_ = sequence.next();
    ++incomplete_;
    place.file->submit_write(place.position, memory, sequence.value());
    CASC_FAIL_POINT("journal.submit");
    return sequence;
}

void Journal::Impl::submit_mark(std::uint32_t flags) {
    submit(marks_.take(kBlockAlignment), 0, 0, 0, flags);
}

void Journal::Impl::poll() {
    completed_.clear();
    queue_->poll(completed_);
    take_completions();
}

void Journal::Impl::wait() {
    completed_.clear();
    if (incomplete_ > 0 || segments_.blanking())
        queue_->wait(completed_);
    else
        queue_->poll(completed_);
    take_completions();
}

void Journal::Impl::take_completions() {
    if (completed_.empty()) return;
    CASC_FAIL_POINT("journal.written");
    for (const auto& completion : completed_)
        complete(completion);
    // The contiguous prefix: an entry that a failed write leaves a gap before never becomes
    // durable.
    while (durable_.next() < next_ && slot(durable_.next()).complete) {
        durable_ = durable_.next();
        slot(durable_).complete = false;
    }
    segments_.durable_through(durable_);
}

void Journal::Impl::complete(const WriteCompletion& completion) {
    if (!completion.result && !failure_) {
        failure_ = completion.result.error();
        segments_.freeze();
    }
    if (completion.token == SegmentSet::kBlankToken) {
        segments_.blanked(completion.result.has_value());
        return;
    }
    auto& done = slot(JournalSequence(completion.token));
    done.entry = {};
    done.complete = completion.result.has_value();
    --incomplete_;
}

void Journal::Impl::wait_for_all() {
    while (incomplete_ > 0 || segments_.blanking())
        wait();
}

Result<std::unique_ptr<Journal>> Journal::open(
    Disk& disk, const JournalOptions& options, const BodyCheck& check,
    const std::function<Result<void>(const RecoveredEntry&)>& visit, RecoveryReport& report) {
    CASC_TRY_VOID(check_options(options));
    CASC_TRY_VOID(disk.make_directories(options.directory));
    CASC_TRY(const auto scan, detail::scan_journal(disk, options.directory, check));
    fill_report(scan, report);
    CASC_TRY_VOID(detail::visit_chain(disk, options.directory, scan, check, visit));
    // Nothing has been modified up to here. One write more than asked for: blanking.
    CASC_TRY(auto queue, disk.make_write_queue(options.writes_in_flight + 1));
    auto impl = std::make_unique<Impl>(disk, options, std::move(queue));
    CASC_TRY_VOID(
        impl->start(scan, options.salt != 0 ? options.salt : draw_salt(), options.continue_after));
    report.generation = impl->generation_;
    return std::unique_ptr<Journal>(new Journal(std::move(impl)));
}

Result<void> Journal::examine(Disk& disk, const std::filesystem::path& directory,
                              const BodyCheck& check, RecoveryReport& report) {
    CASC_TRY(const auto scan, detail::scan_journal(disk, directory, check));
    fill_report(scan, report);
    return {};
}

Result<void> Journal::verify(Disk& disk, const std::filesystem::path& directory,
                             const BodyCheck& check,
                             const std::function<Result<void>(const RecoveredEntry&)>& visit,
                             RecoveryReport& report) {
    CASC_TRY(const auto scan, detail::scan_journal(disk, directory, check));
    fill_report(scan, report);
    return detail::visit_chain(disk, directory, scan, check, visit);
}

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Journal::~Journal() = default;

std::size_t Journal::body_bytes_max() const noexcept {
    return impl_->segment_bytes_ / 2 - kEntryHeaderBytes;
}

bool Journal::can_submit(std::size_t body_bytes) noexcept {
    CASC_ASSERT(body_bytes <= body_bytes_max(), body_bytes, body_bytes_max());
    return impl_->can_submit(body_bytes);
}

JournalSequence Journal::submit(BlockRef entry, std::size_t body_bytes, std::uint32_t body_crc,
                                std::uint32_t record_count) {
    CASC_ASSERT(body_bytes <= body_bytes_max(), body_bytes, body_bytes_max());
    return impl_->submit(std::move(entry), body_bytes, body_crc, record_count, 0);
}

JournalSequence Journal::poll() {
    impl_->poll();
    return impl_->durable_;
}

JournalSequence Journal::wait() {
    impl_->wait();
    return impl_->durable_;
}

JournalSequence Journal::next_sequence() const noexcept {
    return impl_->next_;
}
JournalSequence Journal::durable_through() const noexcept {
    return impl_->durable_;
}
unsigned Journal::writes_in_flight() const noexcept {
    return impl_->incomplete_;
}
const std::optional<Error>& Journal::failure() const noexcept {
    return impl_->failure_;
}
int Journal::event_fd() const noexcept {
    return impl_->queue_->event_fd();
}

void Journal::recycle_through(JournalSequence sequence) {
    CASC_ASSERT(sequence <= durable_through(), sequence.value(), durable_through().value());
    impl_->segments_.recycle_through(sequence);
}

void Journal::submit_closing_mark() {
    if (needs_closing_mark() && impl_->can_submit(0)) impl_->submit_mark(kEntryClosingMark);
}

bool Journal::needs_closing_mark() const noexcept {
    return impl_->needs_closing_mark();
}
Journal::Usage Journal::usage() const noexcept {
    return impl_->segments_.usage();
}

}  // namespace casc::storage
