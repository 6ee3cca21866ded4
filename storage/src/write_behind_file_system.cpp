#include "write_behind_file_system.hpp"

#include "chunk_writer.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

namespace casc::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class WriteBehindFile final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    WriteBehindFile(std::unique_ptr<rocksdb::FSWritableFile> file, ChunkWriter& writer)
        : FSWritableFileOwnerWrapper(std::move(file)), writer_(writer) {}
    ~WriteBehindFile() override {
        if (filling_) writer_.give_back(std::move(*filling_));  // never closed: nobody wants it
        writer_.settle();
    }

    // As FSWritableFile has it for direct writes: the last block may come again, longer.
    IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions&,
                              IODebugContext*) override {
        for (std::size_t done = 0; done < data.size() && failure_.ok();) {
            FileChunk& chunk = chunk_for(offset + done);
            const auto begin = static_cast<std::size_t>(offset + done - chunk.offset);
            const std::size_t count = std::min(data.size() - done, FileChunk::kBytes - begin);
            std::memcpy(chunk.memory.get() + begin, data.data() + done, count);
            chunk.bytes = std::max(chunk.bytes, begin + count);
            done += count;
            if (chunk.bytes == FileChunk::kBytes) send();
        }
        return failure_;
    }
    IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                              const rocksdb::DataVerificationInfo&,
                              IODebugContext* debug) override {
        return PositionedAppend(data, offset, options, debug);
    }
    IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                    IODebugContext* debug) override {
        return after_all([&] { return target()->Append(data, options, debug); });
    }
    IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                    const rocksdb::DataVerificationInfo& info, IODebugContext* debug) override {
        return after_all([&] { return target()->Append(data, options, info, debug); });
    }
    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
        return after_all([&] { return target()->Truncate(size, options, debug); });
    }
    // Hands data over to the system, and promises nothing else: it is on its way.
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return failure_; }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        return after_all([&] { return target()->Sync(options, debug); });
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        return after_all([&] { return target()->Fsync(options, debug); });
    }
    IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                       IODebugContext* debug) override {
        return after_all([&] { return target()->RangeSync(offset, bytes, options, debug); });
    }
    IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
        IOStatus status = after_all([] { return IOStatus::OK(); });
        const IOStatus closed = target()->Close(options, debug);
        return status.ok() ? closed : status;
    }
    uint64_t GetFileSize(const IOOptions& options, IODebugContext* debug) override {
        static_cast<void>(after_all([] { return IOStatus::OK(); }));
        return target()->GetFileSize(options, debug);
    }

private:
    FileChunk& chunk_for(std::uint64_t offset) {
        if (filling_ && (offset < filling_->offset || offset > filling_->offset + filling_->bytes))
            send();
        if (!filling_) {
            filling_ = writer_.claim();
            filling_->offset = offset;
            filling_->file = target();
            filling_->failure = &failure_;
        }
        return *filling_;
    }

    void send() {
        writer_.send(std::move(*filling_));
        filling_.reset();
    }

    template <class Act>
    IOStatus after_all(Act&& act) {
        if (filling_) send();
        writer_.settle();
        return failure_.ok() ? act() : failure_;
    }

    ChunkWriter& writer_;
    std::optional<FileChunk> filling_;  // has some bytes, and room for more
    IOStatus failure_;                  // the first
};

class WriteBehindFileSystem final : public rocksdb::FileSystemWrapper {
public:
    using FileSystemWrapper::FileSystemWrapper;
    const char* Name() const override { return "casc.write_behind"; }

    IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* debug) override {
        IOStatus status = target()->NewWritableFile(path, options, file, debug);
        if (status.ok() && options.use_direct_writes)
            *file = std::make_unique<WriteBehindFile>(std::move(*file), writer_);
        return status;
    }

private:
    ChunkWriter writer_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_write_behind_file_system(
    std::shared_ptr<rocksdb::FileSystem> target) {
    return std::make_shared<WriteBehindFileSystem>(std::move(target));
}

}  // namespace casc::storage
