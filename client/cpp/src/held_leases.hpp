#pragma once
// client/src/held_leases.hpp: the events that a member of a queue group has in its hands, and what
// it has said of them that is still to be sent.

#include <casc/client/event_batch.hpp>
#include <casc/types/offset_words.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/messages.hpp>

#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace casc::client {

// As the protocol numbers them.
enum class LeaseVerdict : std::uint8_t { refused = 1, released = 2, given_up = 3 };

// Bitmaps of neighbouring offsets: an event costs a bit, and being done is a bit to the broker,
// too.
//
// Thread: the member's.
class HeldLeases {
public:
    // Events [first, end) of a log are handed out.
    void add(LogId log, std::uint64_t first, std::uint64_t end);
    [[nodiscard]] std::size_t size() const noexcept { return held_; }

    // Out of hand, without a word; false: it was not held.
    [[nodiscard]] bool take(const EventId& event);
    // What is said of events; false: some were not held.
    [[nodiscard]] bool done(const EventId& event);
    [[nodiscard]] bool done(LogId log, std::uint64_t first, std::uint64_t end);
    [[nodiscard]] bool settle(const EventId& event, LeaseVerdict verdict,
                              std::optional<std::uint32_t> delay_ms, std::string_view error);
    // Said and not taken by take_verdicts().
    [[nodiscard]] std::size_t unsent() const noexcept { return unsent_; }
    // One request's worth of it. Only while unsent() is not 0.
    [[nodiscard]] wire::fb::SettleT take_verdicts();

    // Those that were held at the last call already, and still are.
    [[nodiscard]] std::vector<EventId> grow_old();
    // Forgets everything. Returns what was held, and what was said of in vain.
    std::vector<EventId> clear();

private:
    static constexpr std::size_t kPageWords = 8;
    static constexpr std::uint64_t kPageOffsets = kPageWords * kWordOffsets;
    using Words = std::array<std::uint64_t, kPageWords>;

    struct PageKey {
        LogId log;
        std::uint64_t base;
        friend auto operator<=>(const PageKey&, const PageKey&) = default;
    };
    struct Page {
        Words held{};
        Words done{};
        Words old{};
        bool changed = false;  // listed in changed_
    };
    using Pages = std::map<PageKey, Page>;

    [[nodiscard]] Pages::iterator find(LogId log, std::uint64_t offset);
    void mark_changed(Pages::iterator page);
    // Runs `visit(word index, mask)` over the words of a page that [first, end) touches.
    template <class Visit>
    void for_each_word(const PageKey& key, std::uint64_t first, std::uint64_t end, Visit&& visit);
    void collect(const PageKey& key, const Words& words, std::vector<EventId>& into) const;

    Pages pages_;
    Pages::iterator last_ = pages_.end();   // looked up last
    std::vector<Pages::iterator> changed_;  // that have something done, or may be empty
    std::vector<std::pair<LogId, std::unique_ptr<wire::fb::EventVerdictT>>> others_;
    std::size_t held_ = 0;
    std::size_t unsent_ = 0;
};

}  // namespace casc::client
