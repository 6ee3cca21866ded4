#include "chunk_writer.hpp"

#include "huge_memory.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/thread.hpp>

#include <pthread.h>
#include <utility>

namespace casc::storage {

ChunkWriter::ChunkWriter()
    : owner_waker_(std::make_shared<ring::Waker>()),
      writer_waker_(std::make_shared<ring::Waker>()),
      to_write_(ring::make_ring<FileChunk>(kChunks, writer_waker_)),
      written_(ring::make_ring<FileChunk>(kChunks, owner_waker_)),
      thread_([this] { run(); }) {}

ChunkWriter::~ChunkWriter() {
    to_write_.producer.close();
    thread_.join();
}

FileChunk ChunkWriter::claim() {
    take_written();
    if (free_.empty() && made_ < kChunks) {
        free_.push_back({.memory = make_huge_memory(FileChunk::kBytes)});
        ++made_;
    }
    while (free_.empty()) {
        CASC_ASSERT(sent_ != 0);
        owner_waker_->wait([this] { return written_.consumer.ready(); });
        take_written();
    }
    FileChunk chunk = std::move(free_.back());
    free_.pop_back();
    return chunk;
}

void ChunkWriter::give_back(FileChunk chunk) {
    free_.push_back({.memory = std::move(chunk.memory)});
}

void ChunkWriter::send(FileChunk chunk) {
    ++sent_;
    const bool sent = to_write_.producer.try_push(std::move(chunk));
    CASC_ASSERT(sent, sent_);  // the ring holds all chunks that there are
}

void ChunkWriter::settle() {
    for (take_written(); sent_ != 0; take_written())
        owner_waker_->wait([this] { return written_.consumer.ready(); });
}

void ChunkWriter::take_written() {
    sent_ -= written_.consumer.drain([this](FileChunk&& chunk) {
        if (!chunk.written.ok() && chunk.failure->ok()) *chunk.failure = std::move(chunk.written);
        give_back(std::move(chunk));
    });
}

void ChunkWriter::run() {
    pthread_setname_np(pthread_self(), "casc-sst-writer");
    use_lowest_io_priority();
    auto& to_write = to_write_.consumer;
    while (to_write.state() != ring::RingState::closed) {
        auto chunk = to_write.try_pop();
        if (!chunk) {
            writer_waker_->wait([&] { return to_write.ready(); });
            continue;
        }
        const auto* const data = reinterpret_cast<const char*>(chunk->memory.get());
        chunk->written =
            chunk->file->PositionedAppend({data, chunk->bytes}, chunk->offset, {}, nullptr);
        const bool told = written_.producer.try_push(std::move(*chunk));
        CASC_ASSERT(told, kChunks);
    }
}

}  // namespace casc::storage
