#pragma once
// Deduplication: what each idempotent producer has last appended to each log.
//
// A producer numbers the events it sends to a log from 0 within its epoch. A batch that continues
// the count is new, one that lies below it is a duplicate, one that leaves a gap is refused. The
// last kWindow batches are remembered one row each, so that a duplicate is answered with the offset
// of the first time even after a crash.

#include "row_codec.hpp"

#include <casc/storage/store.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/batch.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class ProducerTable {
public:
    explicit ProducerTable(storage::Store& store) : store_(store) {}

    void load();

    struct Identity {
        ProducerId id;
        std::uint32_t epoch;
        JournalSequence sequence;  // usable once this is durable
    };
    // A new number; for a producer with a name its old number with a higher epoch, which fences
    // older instances.
    [[nodiscard]] Result<Identity> init(std::string_view name);

    enum class Verdict : std::uint8_t { fresh, duplicate };
    struct Check {
        Verdict verdict = Verdict::fresh;
        // Of the first time, for a duplicate.
        Offset base;
        bool base_known = false;
        JournalSequence sequence;
    };
    // Judges a batch before it is appended. Fails with: unknown_producer, producer_fenced,
    // sequence_gap, sequence_too_old.
    [[nodiscard]] Result<Check> check(LogId log, const wire::BatchHeader& header) const;

    // Remembers a batch that was appended, in the same journal entry. Returns which that is.
    [[nodiscard]] Result<JournalSequence> remember(LogId log, const wire::BatchHeader& header,
                                                   const storage::AppendTicket& ticket,
                                                   EpochNanos now);

    // ---- what is known of a producer ----
    [[nodiscard]] std::optional<ProducerId> find(std::string_view name) const;
    [[nodiscard]] bool was_given_out(ProducerId id) const noexcept {
        return id.value() != 0 && id.value() < next_id_;
    }
    struct LogUse {
        LogId log;
        std::uint32_t epoch;
        std::uint32_t next_sequence;  // that a batch of the newest epoch must have
        EpochNanos last_used;
        std::uint32_t batches_not_durable;
    };
    struct Known {
        ProducerId id;
        std::string name{};          // empty: it has none
        std::uint32_t epoch = 0;     // the one that is not fenced; 0: not known
        std::vector<LogUse> logs{};  // those used last, the last one first
        bool more_logs = false;
    };
    // In one walk over everything that is known. At most `logs_max` logs in all.
    [[nodiscard]] std::vector<Known> describe(std::span<const ProducerId> wanted,
                                              std::size_t logs_max) const;

    // Forgets what was last used before `before`.
    void expire(EpochNanos before);
    void forget_topic(TopicId topic);

    [[nodiscard]] std::size_t size() const noexcept { return windows_.size(); }

private:
    static constexpr std::uint32_t kWindow =
        64;  // at least the batches a client keeps in flight per log

    struct Key {
        LogId log;
        ProducerId producer;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept {
            return std::hash<LogId>{}(key.log) ^ std::hash<ProducerId>{}(key.producer) * 31;
        }
    };
    struct Slot {
        std::uint32_t base_sequence = 0;
        std::uint32_t event_count = 0;
        Offset base;
        JournalSequence sequence;  // 0 when read back from disk: long durable
    };
    struct Window {
        std::uint32_t epoch = 0;
        std::uint32_t next_sequence = 0;
        std::uint64_t batches = 0;  // ever; the next one goes to slot batches % kWindow
        EpochNanos last_used;
        std::vector<Slot> slots;  // grows to kWindow
    };

    template <class Predicate>
    void forget_if(Predicate&& chosen);
    [[nodiscard]] static RowWriter row_key(const Key& key, std::uint32_t slot);

    storage::Store& store_;
    std::uint64_t next_id_ = 1;
    std::unordered_map<std::string, std::pair<ProducerId, std::uint32_t>> named_;
    std::unordered_map<ProducerId, std::uint32_t> fences_;  // current epoch of named producers
    boost::unordered_flat_map<Key, Window, KeyHash> windows_;
};

}  // namespace casc::broker
