#include "journal_recovery.hpp"

#include "journal_reader.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <optional>

namespace casc::storage::detail {

namespace {

// What the next entry of the chain must continue.
struct Expected {
    std::uint64_t sequence = 0;
    std::uint32_t previous_crc = 0;
    std::uint32_t generation = 0;
    std::uint32_t salt = 0;
    bool first = true;  // nothing to continue yet

    [[nodiscard]] bool continued_by(const EntryHeader& header) const {
        if (first) return true;
        return header.sequence == sequence && header.previous_crc == previous_crc &&
               header.generation >= generation && header.salt == salt;
    }
    void continue_with(const EntryHeader& header) {
        *this = {header.sequence + 1, header.header_crc, header.generation, header.salt, false};
    }
};

bool body_is_intact(const SegmentReader::Entry& entry, const BodyCheck& check) {
    if ((entry.header.flags & kEntryMarks) != 0)
        return entry.body.empty() && entry.header.body_crc == 0 && entry.header.record_count == 0;
    return check(entry.body, entry.header.body_crc);
}

class Scanner {
public:
    Scanner(Disk& disk, const std::filesystem::path& directory, const BodyCheck& check)
        : disk_(disk), directory_(directory), check_(check) {}

    Result<JournalScan> run();

private:
    Result<void> list_segments();
    Result<void> find_start();
    Result<void> walk();
    Result<std::optional<SegmentReader::Entry>> next_in_segment(std::size_t segment,
                                                                std::uint64_t position);
    std::optional<std::size_t> successor() const;
    Result<void> judge_the_end();
    Result<void> judge_segment(std::size_t segment, std::uint64_t from);
    Error damaged(const ScannedSegment& witness_segment, std::uint64_t witness_position,
                  const EntryHeader& witness) const;
    bool in_chain(std::size_t segment) const {
        return std::find(scan_.chain.begin(), scan_.chain.end(), segment) != scan_.chain.end();
    }

    Disk& disk_;
    const std::filesystem::path& directory_;
    const BodyCheck& check_;
    JournalScan scan_;
    std::vector<SegmentReader> readers_;                     // one per segment
    std::vector<std::optional<EntryHeader>> first_headers_;  // of block 0 of each segment
    Expected expected_;
    // The place of the first entry that is not there.
    std::size_t end_segment_ = 0;
    std::uint64_t end_position_ = 0;
};

Result<JournalScan> Scanner::run() {
    CASC_TRY_VOID(list_segments());
    CASC_TRY_VOID(find_start());
    if (!scan_.chain.empty()) CASC_TRY_VOID(walk());
    CASC_TRY_VOID(judge_the_end());
    return std::move(scan_);
}

Result<void> Scanner::list_segments() {
    CASC_TRY(const auto names, disk_.list(directory_));
    for (const auto& name : names) {
        const auto number = segment_number(name);
        if (!number) continue;
        CASC_TRY(auto file, disk_.open_to_read(directory_ / name));
        auto& reader = readers_.emplace_back(std::move(file));
        CASC_TRY(const auto block, reader.at(0, kBlockAlignment));
        first_headers_.push_back(read_header(block));
        auto& segment = scan_.segments.emplace_back();
        segment.number = *number;
        segment.name = name;
        segment.bytes = reader.whole_bytes();
        segment.starts_with_entry = first_headers_.back().has_value();
    }
    return {};
}

// The chain starts in the segment whose first entry is the oldest: a segment is blanked, oldest
// first, before it is written again, so the segments that start with an entry are one unbroken run.
Result<void> Scanner::find_start() {
    std::vector<std::size_t> by_age;
    for (std::size_t i = 0; i < first_headers_.size(); ++i) {
        if (!first_headers_[i]) continue;
        by_age.push_back(i);
        if (first_headers_[i]->salt != first_headers_[by_age.front()]->salt)
            return Error(ErrorCode::data_corrupt,
                         "'" + (directory_ / scan_.segments[i].name).string() +
                             "' belongs to another journal than '" +
                             scan_.segments[by_age.front()].name + "'");
    }
    std::sort(by_age.begin(), by_age.end(), [&](std::size_t a, std::size_t b) {
        return first_headers_[a]->sequence < first_headers_[b]->sequence;
    });
    if (by_age.empty()) return {};
    auto start = by_age.front();
    CASC_TRY(const auto entry, readers_[start].entry_at(0));
    // Blanking can be torn too, so that the header is still there and the body is not. The segment
    // was not needed any more then; if it was (real damage), its user finds the entries missing
    // that it has not stored elsewhere.
    if ((!entry || !body_is_intact(*entry, check_)) && by_age.size() > 1) start = by_age[1];
    scan_.chain.push_back(start);
    scan_.salt = first_headers_[start]->salt;
    expected_.sequence = first_headers_[start]->sequence;
    return {};
}

Result<std::optional<SegmentReader::Entry>> Scanner::next_in_segment(std::size_t segment,
                                                                     std::uint64_t position) {
    CASC_TRY(auto entry, readers_[segment].entry_at(position));
    if (!entry || !expected_.continued_by(entry->header) || !body_is_intact(*entry, check_))
        entry.reset();
    return entry;
}

// The segment whose first header continues the chain.
std::optional<std::size_t> Scanner::successor() const {
    for (std::size_t i = 0; i < first_headers_.size(); ++i)
        if (!expected_.first && first_headers_[i] && expected_.continued_by(*first_headers_[i]) &&
            !in_chain(i))
            return i;
    return std::nullopt;
}

Result<void> Scanner::walk() {
    end_segment_ = scan_.chain.front();
    end_position_ = 0;
    for (;;) {
        CASC_TRY(const auto entry, next_in_segment(end_segment_, end_position_));
        if (entry) {
            const auto& header = entry->header;
            auto& segment = scan_.segments[end_segment_];
            end_position_ += entry_bytes(header.body_bytes);
            if (end_position_ == entry_bytes(header.body_bytes))
                segment.first = JournalSequence(header.sequence);
            segment.last = JournalSequence(header.sequence);
            segment.end = end_position_;
            if (expected_.first) scan_.first = segment.first;
            scan_.last = segment.last;
            scan_.last_crc = header.header_crc;
            scan_.last_generation = header.generation;
            ++scan_.entries;
            expected_.continue_with(header);
            continue;
        }
        const auto next = successor();
        if (!next) return {};
        end_segment_ = *next;
        end_position_ = 0;
        // Only a segment with an intact entry is part of the chain: the header may be all that is
        // there.
        CASC_TRY(const auto first_entry, next_in_segment(end_segment_, end_position_));
        if (!first_entry) return {};
        scan_.chain.push_back(end_segment_);
    }
}

// The chain ends at the entry expected_.sequence. Had that entry ever been complete, then an entry
// written later may know it, and this is damage; when none knows, it is the torn tail.
Result<void> Scanner::judge_the_end() {
    if (scan_.entries == 0) scan_.chain.clear();
    scan_.generation_max = scan_.last_generation;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
        if (!in_chain(i)) {
            CASC_TRY_VOID(judge_segment(i, 0));
        } else if (i == scan_.chain.back()) {
            CASC_TRY_VOID(judge_segment(i, scan_.segments[i].end));
        }
    }
    return {};
}

Result<void> Scanner::judge_segment(std::size_t segment, std::uint64_t from) {
    auto& reader = readers_[segment];
    for (std::uint64_t position = from; position < reader.bytes(); position += kBlockAlignment) {
        CASC_TRY(const auto block, reader.at(position, kBlockAlignment));
        const auto header = read_header(block);
        if (!header) continue;
        if (scan_.chain.empty()) {
            // A journal that has been opened once has an entry at the start of some segment for
            // ever after; only the mark of its very first opening can be missing there, and nothing
            // follows that one.
            if (position > 0 || header->sequence > 1 || header->durable_through > 0)
                return damaged(scan_.segments[segment], position, *header);
            continue;
        }
        if (header->salt != scan_.salt) continue;  // a look-alike in somebody's payload
        scan_.generation_max = std::max(scan_.generation_max, header->generation);
        if (header->generation < scan_.last_generation || header->sequence < expected_.sequence)
            continue;
        if (header->sequence > expected_.sequence && header->durable_through >= expected_.sequence)
            return damaged(scan_.segments[segment], position, *header);
        ++scan_.torn_entries;
    }
    return {};
}

Error Scanner::damaged(const ScannedSegment& witness_segment, std::uint64_t witness_position,
                       const EntryHeader& witness) const {
    const auto witness_text = "entry " + std::to_string(witness.sequence) + " at '" +
                              witness_segment.name + "' position " +
                              std::to_string(witness_position);
    if (scan_.chain.empty())
        return {ErrorCode::data_corrupt,
                "journal in '" + directory_.string() +
                    "': no segment starts with an intact entry, but there is " + witness_text};
    return {ErrorCode::data_corrupt,
            "journal '" + (directory_ / scan_.segments[end_segment_].name).string() +
                "' position " + std::to_string(end_position_) + ": entry " +
                std::to_string(expected_.sequence) +
                " was complete once and is damaged or missing (known by " + witness_text + ")"};
}

}  // namespace

Result<JournalScan> scan_journal(Disk& disk, const std::filesystem::path& directory,
                                 const BodyCheck& check) {
    return Scanner(disk, directory, check).run();
}

Result<void> visit_chain(Disk& disk, const std::filesystem::path& directory,
                         const JournalScan& scan, const BodyCheck& check,
                         const std::function<Result<void>(const RecoveredEntry&)>& visit) {
    for (const auto index : scan.chain) {
        const auto& segment = scan.segments[index];
        CASC_TRY(auto file, disk.open_to_read(directory / segment.name));
        SegmentReader reader(std::move(file));
        for (std::uint64_t position = 0; position < segment.end;) {
            CASC_TRY(const auto entry, reader.entry_at(position));
            if (!entry || !body_is_intact(*entry, check))
                return Error(ErrorCode::data_corrupt,
                             "journal '" + (directory / segment.name).string() + "' position " +
                                 std::to_string(position) + ": read differently the second time");
            CASC_TRY_VOID(visit({JournalSequence(entry->header.sequence), entry->body,
                                 entry->header.record_count}));
            position += entry_bytes(entry->header.body_bytes);
        }
    }
    return {};
}

}  // namespace casc::storage::detail
