#pragma once
// storage/src/simulated_state.hpp: files, names, faults and the crash of the simulated disk, below
// both of its faces (Disk and rocksdb::FileSystem).
//
// Thread: any; one mutex over everything, because a simulation is not about speed. Methods named
// ..._locked expect it to be held.

#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace casc::storage::detail {

// A file without its names.
struct SimulatedFile {
    std::string content;           // what a reader sees
    std::size_t synced_bytes = 0;  // of content: survives a crash
    std::uint64_t changed_at = 0;
};
using SimulatedFileRef = std::shared_ptr<SimulatedFile>;

// A write that was submitted and is not complete. Its data is borrowed from the submitter until it
// is.
struct SimulatedWrite {
    std::uint64_t token = 0;
    SimulatedFileRef file;
    std::string path;
    std::uint64_t position = 0;
    std::span<const std::byte> data;
    unsigned polls_left = 0;
    bool lost = false;  // the power went; completes with an error
};

class SimulatedState {
public:
    explicit SimulatedState(std::uint64_t seed) : random_(seed) { directories_.insert("/"); }

    using Guard = std::unique_lock<std::mutex>;
    [[nodiscard]] Guard lock() const { return Guard(mutex_); }

    // --- power -----------------------------------------------------------------------------------

    void power_off_locked();
    void power_on_locked() { powered_ = true; }
    [[nodiscard]] bool powered_locked() const { return powered_; }
    void cut_power_after_locked(std::uint64_t writes) { writes_before_cut_ = writes; }
    // Counts one write; false: the power goes now, before it.
    [[nodiscard]] bool spend_power_locked();
    // Handles remember the boot they belong to. In any other they change nothing; what they read is
    // what they would have read before, as long as they are open.
    [[nodiscard]] std::uint64_t boot_locked() const { return boot_; }
    [[nodiscard]] Result<void> check_boot_locked(std::uint64_t boot) const;

    // --- names -----------------------------------------------------------------------------------

    // Absolute, without '.', '..' and a slash at the end: what all names below are.
    [[nodiscard]] static std::string normal(std::string_view path);
    [[nodiscard]] static std::string parent(std::string_view path);

    [[nodiscard]] SimulatedFileRef find_locked(const std::string& path) const;
    [[nodiscard]] bool is_directory_locked(const std::string& path) const {
        return directories_.contains(path);
    }
    [[nodiscard]] Result<SimulatedFileRef> find_or_fail_locked(const std::string& path) const;
    // An existing file as it is, or a new empty one.
    [[nodiscard]] Result<SimulatedFileRef> create_locked(const std::string& path);
    [[nodiscard]] Result<void> link_locked(const std::string& path, const SimulatedFileRef& file);
    [[nodiscard]] Result<void> rename_locked(const std::string& from, const std::string& to);
    [[nodiscard]] Result<void> remove_locked(const std::string& path);
    // One level; the parent must exist.
    [[nodiscard]] Result<void> make_directory_locked(const std::string& path);
    [[nodiscard]] Result<void> remove_directory_locked(const std::string& path);
    [[nodiscard]] Result<std::vector<std::string>> list_locked(const std::string& path) const;
    // Makes the changes of names in `path` durable.
    void sync_directory_locked(const std::string& path);

    // --- bytes -----------------------------------------------------------------------------------

    [[nodiscard]] Result<void> append_locked(SimulatedFile& file, const std::string& path,
                                             std::string_view data);
    [[nodiscard]] Result<void> resize_locked(SimulatedFile& file, const std::string& path,
                                             std::size_t bytes);
    [[nodiscard]] Result<void> sync_locked(SimulatedFile& file, const std::string& path);

    // --- durable writes --------------------------------------------------------------------------

    // The writes of one queue, owned here so that a crash finds them.
    using Writes = std::vector<SimulatedWrite>;
    [[nodiscard]] std::shared_ptr<Writes> make_writes_locked();
    [[nodiscard]] unsigned draw_delay_locked() { return draw_locked(delay_min_, delay_max_); }
    [[nodiscard]] Result<void> complete_locked(SimulatedWrite& write);
    template <class Int>
    [[nodiscard]] Int draw_locked(Int first, Int last) {
        return static_cast<Int>(std::uniform_int_distribution<std::uint64_t>(first, last)(random_));
    }
    [[nodiscard]] std::mt19937_64& random_locked() { return random_; }

    // --- faults and facts ------------------------------------------------------------------------

    void fail_writes_locked(std::uint64_t count, std::string_view path_part,
                            std::uint64_t succeed_first);
    void set_capacity_locked(std::uint64_t bytes) { capacity_ = bytes; }
    void set_delay_locked(unsigned least, unsigned most) { delay_min_ = least, delay_max_ = most; }
    [[nodiscard]] std::uint64_t free_bytes_locked() const {
        return capacity_ > used_ ? capacity_ - used_ : 0;
    }
    void recount_locked();  // after a change that did not go through the methods above
    [[nodiscard]] std::uint64_t used_locked() const { return used_; }
    [[nodiscard]] std::uint64_t changes_locked() const { return changes_; }
    void changed_locked(SimulatedFile& file) { file.changed_at = ++changes_; }
    [[nodiscard]] std::set<std::string>& locks_locked() { return locks_; }

private:
    // One change of names, whole or not at all: each name gets the file, or none.
    struct NameChange {
        std::string directory;  // decides with whom it is ordered
        std::vector<std::pair<std::string, SimulatedFileRef>> names;
        std::optional<std::string> made_directory;
        std::optional<std::string> removed_directory;
    };
    using Names = std::map<std::string, SimulatedFileRef>;

    void change_locked(NameChange change);
    void apply(const NameChange& change, Names& names, std::set<std::string>& directories) const;
    [[nodiscard]] Result<void> spend_or_cut_locked();
    [[nodiscard]] Result<void> check_write_locked(const std::string& path);
    [[nodiscard]] Result<void> take_room_locked(const std::string& path, std::uint64_t bytes);
    void part_from_handles_locked();
    void crash_writes_locked();
    void crash_names_locked();
    void crash_tails_locked();

    mutable std::mutex mutex_;
    std::mt19937_64 random_;
    bool powered_ = true;
    std::uint64_t boot_ = 1;
    std::uint64_t writes_before_cut_ = ~std::uint64_t{0};
    // Names as everybody sees them, and as they would be found after a crash without luck.
    Names names_;
    std::set<std::string> directories_;
    Names durable_names_;
    std::set<std::string> durable_directories_{"/"};
    std::vector<NameChange> unsynced_;  // from the second to the first, in order
    std::vector<std::weak_ptr<Writes>> queues_;
    std::set<std::string> locks_;
    // Faults.
    std::uint64_t failures_left_ = 0;
    std::uint64_t successes_first_ = 0;
    std::string failing_part_;
    std::uint64_t capacity_ = ~std::uint64_t{0};
    unsigned delay_min_ = 0;
    unsigned delay_max_ = 3;
    std::uint64_t used_ = 0;
    std::uint64_t changes_ = 0;
};

}  // namespace casc::storage::detail
