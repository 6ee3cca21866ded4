#include "held_leases.hpp"

#include <casc/types/cut_text.hpp>

#include <algorithm>
#include <bit>

namespace casc::client {
namespace {

// Of one request; the broker takes 8192 words of bits, and a body of 8 MiB.
constexpr std::size_t kWordsMax = 4096;
constexpr std::size_t kOthersMax = 4096;
// What the broker keeps of it.
constexpr std::size_t kErrorBytesMax = 1024;

}  // namespace

HeldLeases::Pages::iterator HeldLeases::find(LogId log, std::uint64_t offset) {
    const PageKey key{log, offset / kPageOffsets * kPageOffsets};
    if (last_ == pages_.end() || last_->first != key) last_ = pages_.find(key);
    return last_;
}

template <class Visit>
void HeldLeases::for_each_word(const PageKey& key, std::uint64_t first, std::uint64_t end,
                               Visit&& visit) {
    for (std::uint64_t base = word_base(std::max(first, key.base));
         base < std::min(end, key.base + kPageOffsets); base += kWordOffsets)
        visit((base - key.base) / kWordOffsets, word_mask(base, first, end));
}

void HeldLeases::add(LogId log, std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t base = first / kPageOffsets * kPageOffsets; base < end;
         base += kPageOffsets) {
        last_ = pages_.try_emplace({log, base}).first;
        for_each_word(last_->first, first, end, [&](std::size_t at, std::uint64_t mask) {
            // Some may be held already: their lease had run out, and they came again.
            held_ += static_cast<unsigned>(std::popcount(mask & ~last_->second.held[at]));
            last_->second.held[at] |= mask;
            last_->second.old[at] &= ~mask;
        });
    }
}

void HeldLeases::mark_changed(Pages::iterator page) {
    if (!std::exchange(page->second.changed, true)) changed_.push_back(page);
}

// ---- verdicts -----------------------------------------------------------------------------------

bool HeldLeases::take(const EventId& event) {
    const std::uint64_t offset = event.offset.value();
    const auto page = find(event.log, offset);
    if (page == pages_.end()) return false;
    std::uint64_t& held = page->second.held[(offset - page->first.base) / kWordOffsets];
    if ((held & word_bit(offset)) == 0) return false;
    held &= ~word_bit(offset);
    --held_;
    mark_changed(page);
    return true;
}

bool HeldLeases::done(const EventId& event) {
    if (!take(event)) return false;
    const std::uint64_t offset = event.offset.value();
    std::uint64_t& done = last_->second.done[(offset - last_->first.base) / kWordOffsets];
    // It may have been done before: its lease had run out, and it came again before that was sent.
    if ((done & word_bit(offset)) == 0) ++unsent_;
    done |= word_bit(offset);
    return true;
}

bool HeldLeases::done(LogId log, std::uint64_t first, std::uint64_t end) {
    std::uint64_t taken = 0;
    for (std::uint64_t at = first; at < end; at = (at / kPageOffsets + 1) * kPageOffsets) {
        const auto page = find(log, at);
        if (page == pages_.end()) continue;
        for_each_word(page->first, at, end, [&](std::size_t word, std::uint64_t mask) {
            const std::uint64_t mine = page->second.held[word] & mask;
            taken += static_cast<unsigned>(std::popcount(mine));
            unsent_ += static_cast<unsigned>(std::popcount(mine & ~page->second.done[word]));
            page->second.held[word] &= ~mine;
            page->second.done[word] |= mine;
        });
        mark_changed(page);
    }
    held_ -= taken;
    return taken == end - first;
}

bool HeldLeases::settle(const EventId& event, LeaseVerdict verdict,
                        std::optional<std::uint32_t> delay_ms, std::string_view error) {
    if (!take(event)) return false;
    ++unsent_;
    auto& row = others_.emplace_back(event.log, std::make_unique<wire::fb::EventVerdictT>()).second;
    row->offset = event.offset.value();
    row->verdict = static_cast<std::uint8_t>(verdict);
    if (delay_ms) row->delay_ms = *delay_ms;
    row->error = cut_text(error, kErrorBytesMax);
    return true;
}

wire::fb::SettleT HeldLeases::take_verdicts() {
    wire::fb::SettleT request;
    const auto log_of = [&](LogId log) -> wire::fb::LogVerdictsT& {
        auto& row = *request.logs.emplace_back(std::make_unique<wire::fb::LogVerdictsT>());
        row.topic_id = log.topic().value();
        row.partition = log.partition().value();
        row.lane = static_cast<std::uint8_t>(log.lane());
        return row;
    };
    // Neighbouring pages share a row, so that their bits are one bitmap.
    std::sort(changed_.begin(), changed_.end(),
              [](const auto& a, const auto& b) { return a->first < b->first; });
    wire::fb::LogVerdictsT* row = nullptr;
    PageKey next{};  // the neighbour of what row says last
    std::size_t pages = 0;
    for (; pages < changed_.size() && pages < kWordsMax / kPageWords; ++pages) {
        const auto page = changed_[pages];
        auto& [key, said] = *page;
        std::size_t done = 0;
        for (const std::uint64_t word : said.done)
            done += static_cast<unsigned>(std::popcount(word));
        if (done != 0) {
            if (row == nullptr || key != next) {
                row = &log_of(key.log);
                row->base = key.base;
            }
            row->done.insert(row->done.end(), said.done.begin(), said.done.end());
            next = {key.log, key.base + kPageOffsets};
            unsent_ -= done;
        }
        said.done = {};
        said.changed = false;
        if (said.held == Words{}) {
            if (last_ == page) last_ = pages_.end();
            pages_.erase(page);
        }
    }
    changed_.erase(changed_.begin(), changed_.begin() + static_cast<std::ptrdiff_t>(pages));

    const auto others = static_cast<std::ptrdiff_t>(std::min(others_.size(), kOthersMax));
    std::stable_sort(others_.begin(), others_.begin() + others,
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    LogId log;
    row = nullptr;
    for (auto other = others_.begin(); other != others_.begin() + others; ++other) {
        if (row == nullptr || other->first != log) {
            log = other->first;
            row = &log_of(log);
        }
        row->others.push_back(std::move(other->second));
    }
    others_.erase(others_.begin(), others_.begin() + others);
    unsent_ -= static_cast<std::size_t>(others);
    return request;
}

// ---- all of them --------------------------------------------------------------------------------

void HeldLeases::collect(const PageKey& key, const Words& words, std::vector<EventId>& into) const {
    for (std::size_t at = 0; at < kPageWords; ++at)
        for (std::uint64_t rest = words[at]; rest != 0; rest &= rest - 1)
            into.push_back({key.log, Offset(key.base + at * kWordOffsets +
                                            static_cast<unsigned>(std::countr_zero(rest)))});
}

std::vector<EventId> HeldLeases::grow_old() {
    std::vector<EventId> old;
    for (auto& [key, page] : pages_) {
        Words both;
        for (std::size_t at = 0; at < kPageWords; ++at)
            both[at] = page.old[at] & page.held[at];
        collect(key, both, old);
        page.old = page.held;
    }
    return old;
}

std::vector<EventId> HeldLeases::clear() {
    std::vector<EventId> lost;
    for (const auto& [key, page] : pages_) {
        Words either;
        for (std::size_t at = 0; at < kPageWords; ++at)
            either[at] = page.held[at] | page.done[at];
        collect(key, either, lost);
    }
    for (const auto& [log, verdict] : others_)
        lost.push_back({log, Offset(verdict->offset)});
    pages_.clear();
    last_ = pages_.end();
    changed_.clear();
    others_.clear();
    held_ = unsent_ = 0;
    return lost;
}

}  // namespace casc::client
