#pragma once
// store_model.hpp: what a store must contain, as plain maps: the answer book of the whole-engine
// simulation.
//
// The promise that is checked: after any crash the store is as it was after some entry E of the
// journal, whole entries only, where E is at least the newest entry reported durable and at most
// the newest one begun.
//
// Thread: one at a time.

#include <casc/types/vocabulary.hpp>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace casc::sim {

using BatchBytes = std::shared_ptr<const std::vector<std::byte>>;

struct ModelBatch {
    std::uint32_t events = 0;
    BatchBytes bytes;  // as the producer made them, without the broker's stamp
};

struct ModelLog {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    std::uint64_t ceiling = 0;
    std::map<std::uint64_t, ModelBatch> batches;  // by base offset

    // Behind the last event; below `end` when a crash has cut events and the log goes on above its
    // ceiling.
    [[nodiscard]] std::uint64_t events_end() const;
};

// One record that the store took, and the entry it is part of.
struct Operation {
    enum class Kind : std::uint8_t { append, put, erase, trim, erase_log, reserve };
    Kind kind;
    JournalSequence sequence;
    LogId log{};
    std::uint64_t number = 0;  // base offset, start or ceiling
    ModelBatch batch{};
    std::string key{};
    std::string value{};
};

// How the life before has ended decides what reservations are worth.
enum class Ending : std::uint8_t { orderly, crash };

struct ModelState {
    std::map<LogId, ModelLog> logs;
    std::map<std::string, std::string> rows;

    void apply(const Operation& operation);
    // What the next start makes of it: a log with a ceiling goes on above it unless everything was
    // stored.
    void restart(Ending ending);
};

// What a store says of itself right after it was opened.
struct Observed {
    struct Log {
        std::uint64_t start;
        std::uint64_t end;
        std::optional<std::uint64_t> events_end;  // nothing: it could not be read

        [[nodiscard]] bool fits(const ModelLog& expected) const;
    };
    std::map<LogId, Log> logs;
    std::map<std::string, std::string> rows;
};

// Empty when they are the same; otherwise the first differences, for people.
[[nodiscard]] std::string difference(const ModelState& expected, const Observed& found);

// Everything that happened since the store was last known well.
class StoreModel {
public:
    [[nodiscard]] const ModelState& live() const { return live_; }
    void record(Operation operation);
    // Reported durable.
    void durable_through(JournalSequence sequence) { durable_ = std::max(durable_, sequence); }
    [[nodiscard]] JournalSequence durable() const { return durable_; }

    // Finds the entry at which `found` is the state, makes that state the new beginning and forgets
    // what was cut. A string: there is no such entry, and why not for the nearest ones. `endings`:
    // how the last life may have ended.
    [[nodiscard]] std::optional<std::string> adopt(const Observed& found,
                                                   const std::vector<Ending>& endings);

private:
    ModelState known_;  // at the last adopt()
    std::vector<Operation> since_;
    ModelState live_;  // known_ and all of since_
    JournalSequence durable_{};
};

}  // namespace casc::sim
