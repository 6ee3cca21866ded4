#pragma once
// casc/storage/simulated_disk.hpp: a disk in memory that does what real ones do on their worst day,
// on command and the same way again for the same seed.
//
//   SimulatedDisk disk(seed);
//   ... open a store on it, append, poll ...
//   disk.crash();                   // a power cut: what was not complete is kept, lost or torn
//   store.reset();                  // the old store finds every operation failing
//   ... open a new store on the same disk ...
//
// Model. A durable write is complete when it is reported, in random order after a random number of
// polls. At a crash each 4 KiB block of an incomplete write is, on its own, kept, lost or torn at
// sectors of 512 bytes. Bytes appended to a file and not synced are cut at a random place. A name
// that was made, renamed or removed and whose directory was not synced may be as it was before;
// changes in one directory keep their order.
//
// Thread: any (RocksDB's background threads use it). The same seed gives the same run as long as
// one thread uses it.

#include <casc/storage/disk.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace casc::storage {

namespace detail {
class SimulatedState;
}

class SimulatedDisk final : public Disk {
public:
    explicit SimulatedDisk(std::uint64_t seed);
    ~SimulatedDisk() override;

    // --- commands --------------------------------------------------------------------------------

    static constexpr std::uint64_t kForEver = ~std::uint64_t{0};

    // A power cut and the boot after it. Files, queues and file systems from before are dead: they
    // open, write and sync nothing any more, and their incomplete writes complete with an error.
    // Only files that are open can still be read, and are as they were: no process lives to see a
    // read fail because of a power cut, and RocksDB asserts that some do not (the last block of a
    // file that it ingests). Everything opened from now on sees what survived.
    void crash();
    // The same in two steps: in between nothing can be opened or written.
    void power_off();
    void power_on();

    // The power goes by itself when `writes` more writes, appends or syncs have succeeded: for
    // crashes in the middle of a call. power_on() afterwards; kForEver: not any more.
    void cut_power_after(std::uint64_t writes);
    [[nodiscard]] bool powered() const;

    // The next `count` writes or syncs of files whose path contains `path_part` fail with
    // io_failed, after those that `succeed_first` lets through.
    void fail_writes(std::uint64_t count, std::string_view path_part = {},
                     std::uint64_t succeed_first = 0);
    // Files may take this much together; more fails with disk_full. kForEver: no bound.
    void set_capacity(std::uint64_t bytes);
    // Writes complete after `polls_min` to `polls_max` polls (at first 0 to 3).
    void set_write_delay(unsigned polls_min, unsigned polls_max);
    // Damages what is stored, as a failing medium would.
    void flip_bit(const std::filesystem::path& path, std::uint64_t position, unsigned bit);
    // The same at a random place of [first, last); returns the position.
    std::uint64_t flip_random_bit(const std::filesystem::path& path, std::uint64_t first,
                                  std::uint64_t last);

    // --- looking inside --------------------------------------------------------------------------

    // A file as a reader would see it now; replace it without any of the failures above.
    [[nodiscard]] std::string content(const std::filesystem::path& path) const;
    void set_content(const std::filesystem::path& path, std::string content);
    // Changes with every change of any file or name: to prove that nothing was modified.
    [[nodiscard]] std::uint64_t change_count() const;
    [[nodiscard]] std::uint64_t bytes_used() const;

    // --- Disk ------------------------------------------------------------------------------------

    [[nodiscard]] std::string name() const override { return "simulated"; }
    [[nodiscard]] Result<std::unique_ptr<WriteQueue>> make_write_queue(
        unsigned writes_in_flight_max) override;
    [[nodiscard]] Result<std::unique_ptr<ReadableFile>> open_to_read(
        const std::filesystem::path& path) override;
    [[nodiscard]] Result<void> fill_file(const std::filesystem::path& path,
                                         std::uint64_t bytes) override;
    [[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path) override;
    [[nodiscard]] Result<void> replace_file(const std::filesystem::path& path,
                                            std::string_view content) override;
    [[nodiscard]] Result<std::vector<std::string>> list(
        const std::filesystem::path& directory) override;
    [[nodiscard]] Result<void> make_directories(const std::filesystem::path& directory) override;
    [[nodiscard]] Result<void> remove_file(const std::filesystem::path& path) override;
    [[nodiscard]] Result<std::uint64_t> free_bytes(const std::filesystem::path& path) override;
    [[nodiscard]] Result<std::unique_ptr<Lock>> lock(const std::filesystem::path& path) override;
    // A rocksdb::FileSystem that lives until the next crash: ask again for each store.
    [[nodiscard]] std::shared_ptr<void> rocksdb_file_system() override;

private:
    std::shared_ptr<detail::SimulatedState> state_;
};

}  // namespace casc::storage
