#pragma once
// storage/src/piece_cache.hpp: the pieces of stored files that are being read from front to back.
//
// They are read past the kernel's page cache into a few buffers that are used again and again: a
// cold read through the page cache takes a fresh page for every 4 KiB (a dear thing on a virtual
// machine whose host has taken free memory back), copies once more, and pushes out what others
// read. The pieces to come are read meanwhile by a thread of its own.
//
// Thread: any.

#include <rocksdb/file_system.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace casc::storage {

// Opened for direct reads: at multiples of the device's block, into memory aligned to it.
struct DirectFile {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    std::uint64_t size = 0;
};
using DirectFileRef = std::shared_ptr<const DirectFile>;

class PieceCache {
public:
    static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
    // For eight readers at a time, each with the piece that it reads and three to come.
    static constexpr std::size_t kPiecesMax = 32;

    // The thread is started here: whoever read first would else lend it his priority.
    PieceCache();
    ~PieceCache();
    PieceCache(const PieceCache&) = delete;
    PieceCache& operator=(const PieceCache&) = delete;

    [[nodiscard]] static std::uint64_t piece_of(std::uint64_t offset) {
        return offset / kPieceBytes;
    }

    [[nodiscard]] bool holds(const DirectFile& file, std::uint64_t piece) const;
    // Copies [offset, offset + bytes) or as much of it as the file has; returns how much that was.
    // Nothing: no buffer was free, or the device failed; read in another way.
    [[nodiscard]] std::optional<std::size_t> read(const DirectFileRef& file, std::uint64_t offset,
                                                  std::size_t bytes, char* to);
    // Has it read in the background when there is a buffer for it.
    void expect(const DirectFileRef& file, std::uint64_t piece);
    // Lets go of everything of this file.
    void forget(const DirectFile& file);

private:
    enum class State : std::uint8_t { free, expected, loading, loaded, failed };
    struct Piece {
        State state = State::free;
        bool consumed = false;  // to its end
        unsigned users = 0;     // who copy from it at the moment
        DirectFileRef file;
        std::uint64_t number = 0;
        std::size_t bytes = 0;
        std::uint64_t last_use = 0;
        std::shared_ptr<std::byte> memory;
    };
    using Lock = std::unique_lock<std::mutex>;

    [[nodiscard]] Piece* find(const DirectFile& file, std::uint64_t number);
    // A buffer for it; null when all are in use, or there is no memory.
    [[nodiscard]] Piece* claim(const DirectFileRef& file, std::uint64_t number);
    [[nodiscard]] bool is_free_to_go(const Piece& piece) const;
    // The piece, loaded; null when that is not to be had.
    [[nodiscard]] Piece* obtain(const DirectFileRef& file, std::uint64_t number, Lock& lock);
    [[nodiscard]] bool give_memory(Piece& piece) noexcept;
    void load(Piece& piece, Lock& lock);
    void release(Piece& piece);
    void run();

    mutable std::mutex mutex_;  // held for comparisons only, never while a piece is read or copied
    std::condition_variable changed_;       // a piece has been loaded, or let go by a user
    std::condition_variable expected_any_;  // there is work for the thread
    std::array<Piece, kPiecesMax> pieces_;
    std::deque<Piece*> expected_;
    std::uint64_t uses_ = 0;
    bool closing_ = false;
    std::thread thread_;
};

}  // namespace casc::storage
