#pragma once
// storage/src/chunk_writer.hpp: writes large pieces of files on a thread of its own, so that
// whoever makes a file fills the next piece meanwhile.
//
// The memory is huge pages (huge_memory.hpp): 4 MiB are then a few pieces for the device and not
// a thousand, with which one write would keep those of the journal out.

#include <casc/ring/ring.hpp>

#include <rocksdb/file_system.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace casc::storage {

// A piece of a file being filled.
struct FileChunk {
    // 2 ms of a fast device: little beside a file, much beside the costs of a request.
    static constexpr std::size_t kBytes = std::size_t{4} << 20;

    std::shared_ptr<std::byte> memory{};
    std::size_t bytes = 0;
    std::uint64_t offset = 0;
    rocksdb::FSWritableFile* file = nullptr;
    rocksdb::IOStatus* failure = nullptr;  // of the file; the owner of the chunks writes there
    rocksdb::IOStatus written{};
};

// Thread:   one owner calls everything (at a time; Checkpointer's).
// Lifetime: `file` and `failure` of a chunk that was sent must live until settle() has returned.
class ChunkWriter {
public:
    // The thread is started here: one started later would inherit the priority of the owner.
    ChunkWriter();
    ~ChunkWriter();
    ChunkWriter(const ChunkWriter&) = delete;
    ChunkWriter& operator=(const ChunkWriter&) = delete;

    // An empty chunk; waits for one that is being written when all are in use. At most kChunks - 1
    // may be kept.
    [[nodiscard]] FileChunk claim();
    void give_back(FileChunk chunk);
    // Has `chunk.bytes` written at `chunk.offset` of its file, after whatever was sent before.
    void send(FileChunk chunk);
    // Waits until everything that was sent has been written, or has failed: see FileChunk::failure.
    void settle();

private:
    static constexpr std::size_t kChunks = 3;  // filled, next, being written

    void take_written();
    void run();

    std::vector<FileChunk> free_;
    std::size_t made_ = 0;
    std::size_t sent_ = 0;  // and not back yet
    std::shared_ptr<ring::Waker> owner_waker_;
    std::shared_ptr<ring::Waker> writer_waker_;
    ring::Ring<FileChunk> to_write_;
    ring::Ring<FileChunk> written_;
    std::thread thread_;
};

}  // namespace casc::storage
