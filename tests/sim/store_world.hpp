#pragma once
// store_world.hpp: one store on one simulated disk, a random workload, and a checker that knows
// what must be there.
//
//   World world(seed);
//   world.open();
//   world.work(200);
//   world.crash();
//   world.open();
//   world.check();
//   CHECK(world.violations() == "");
//
// One seed draws everything. The store has threads of its own, so a seed repeats a run nearly, not
// to the instruction: run it a few times.
//
// Thread: one at a time.

#include "entry_history.hpp"
#include "store_model.hpp"

#include <casc/storage/simulated_disk.hpp>
#include <casc/storage/store.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace casc::sim {

class World {
public:
    explicit World(std::uint64_t seed);
    ~World();

    // --- the life of a store ---------------------------------------------------------------------

    // Opens the store and finds out which entry it is at; everything that does not fit is a
    // violation.
    void open();
    // The same, but a store that does not open is reported, not judged.
    [[nodiscard]] Result<void> open_or_say();
    // Opens it without looking at what it found.
    [[nodiscard]] Result<void> try_open();
    // `steps` random things to do; ends early when the power goes or the store freezes.
    void work(int steps);
    // A power cut, and the end of the process.
    void crash();
    // The end of the process, with whatever it has to do; the power stays.
    void stop();
    // Everything stored, and stopped in order.
    void stop_orderly();
    // Everything appended is durable, and a later entry proves it, the last one too (so that losing
    // it is damage, not a torn tail).
    void settle_and_prove();

    // --- judging ---------------------------------------------------------------------------------

    // Reads every log from its beginning to its end. `may_fail`: whether a cold read is allowed to
    // say so.
    void check(const std::function<bool(const Error&)>& may_fail = {});
    // One line per violation; empty: everything that was promised holds.
    [[nodiscard]] std::string violations() const;
    [[nodiscard]] bool well() const { return violations_.empty(); }

    // --- for the faults --------------------------------------------------------------------------

    [[nodiscard]] Result<storage::AppendTicket> append(LogId log, std::size_t payload_bytes,
                                                       std::uint32_t events);
    void turn();  // of an event loop: submit and poll
    // Sleeps until the store has something to say, and turns.
    void wait_for_news();
    // Turns until everything appended is durable or the store has failed.
    void settle();
    // From wherever it is, as readers do.
    [[nodiscard]] Result<std::vector<storage::BatchRef>> read(LogId log, std::uint64_t from,
                                                              std::uint64_t until);
    [[nodiscard]] std::uint64_t draw(std::uint64_t below) { return random_() % below; }
    [[nodiscard]] bool alive() const {
        return store_ != nullptr && disk_.powered() && !store_->failure();
    }

    storage::SimulatedDisk& disk() { return disk_; }
    storage::Store& store() { return *store_; }
    storage::StoreOptions& options() { return options_; }
    [[nodiscard]] const StoreModel& model() const { return model_; }
    [[nodiscard]] LogId any_log();

    struct Totals {
        std::uint64_t events = 0;
        std::uint64_t batches_checked = 0;
        std::uint64_t torn_entries = 0;
        std::uint64_t replayed_entries = 0;
    };
    [[nodiscard]] const Totals& totals() const { return totals_; }

private:
    void append_some();
    void append_with_a_row();
    void put_some();
    void trim_some();
    void erase_some_log();
    [[nodiscard]] Result<void> reserve_for(LogId log, std::uint32_t events);
    void read_some();
    void close();
    void note(Operation operation);
    void violated(std::string what);
    [[nodiscard]] Observed observe();
    [[nodiscard]] std::optional<std::uint64_t> events_end(LogId log, std::uint64_t from,
                                                          std::uint64_t until);
    void check_promises();
    void check_log(LogId log, const ModelLog& expected, std::uint64_t from, std::uint64_t until,
                   const std::function<bool(const Error&)>& may_fail);

    storage::SimulatedDisk disk_;
    storage::StoreOptions options_;
    std::mt19937_64 random_;
    StoreModel model_;
    EntryHistory entries_;
    // Logs whose events are seen before they are durable, and the first offset that nobody has
    // seen.
    std::map<LogId, std::uint64_t> seen_below_;
    // What the store has said of the durable ends of its logs.
    std::map<LogId, std::uint64_t> promised_ends_;
    std::uint32_t next_topic_ = 1;
    std::vector<std::uint32_t> topics_;
    bool judged_ = false;       // open() has found out where the store is
    JournalSequence newest_{};  // that something was added to
    std::uint64_t counter_ = 0;
    std::int64_t time_ = 1'000'000;
    std::uint64_t next_token_ = 1;
    std::vector<Ending> endings_{
        Ending::orderly};  // how the life before the next open() may have ended
    std::vector<std::string> violations_;
    Totals totals_;
    std::unique_ptr<storage::Store> store_;
    std::vector<storage::Advanced> advanced_;
    std::vector<storage::ReadAnswer> answers_;
};

}  // namespace casc::sim
