// An SST file is written while the next piece of it is made, and nothing is promised too early.

#include "chunk_writer.hpp"
#include "write_behind_file_system.hpp"

#include <casc/storage/simulated_disk.hpp>

#include <doctest/doctest.h>

#include <latch>
#include <random>
#include <string>
#include <vector>

namespace casc::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// What reaches the target, in its order; the file's thread looks only when nothing is under way.
struct Target {
    std::vector<std::string> calls;
    std::size_t writes_until_failure = ~std::size_t{0};
    std::latch* hold = nullptr;  // writes wait for it
};

class TargetFile final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    TargetFile(std::unique_ptr<rocksdb::FSWritableFile> file, Target& seen)
        : FSWritableFileOwnerWrapper(std::move(file)), seen_(seen) {}
    IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                              IODebugContext* debug) override {
        if (seen_.hold != nullptr) seen_.hold->wait();
        if (seen_.writes_until_failure-- == 0) return IOStatus::IOError("the device is gone");
        seen_.calls.push_back("write " + std::to_string(offset) + "+" +
                              std::to_string(data.size()));
        return target()->PositionedAppend(data, offset, options, debug);
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        seen_.calls.push_back("sync");
        return target()->Sync(options, debug);
    }
    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
        seen_.calls.push_back("truncate " + std::to_string(size));
        return target()->Truncate(size, options, debug);
    }
    IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
        seen_.calls.push_back("close");
        return target()->Close(options, debug);
    }

private:
    Target& seen_;
};

class TargetFileSystem final : public rocksdb::FileSystemWrapper {
public:
    using FileSystemWrapper::FileSystemWrapper;
    const char* Name() const override { return "target"; }
    IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* debug) override {
        const auto status = FileSystemWrapper::NewWritableFile(path, options, file, debug);
        if (status.ok()) *file = std::make_unique<TargetFile>(std::move(*file), seen);
        return status;
    }
    Target seen;
};

constexpr auto kChunk = FileChunk::kBytes;

std::string write_of(std::uint64_t offset, std::size_t bytes) {
    return "write " + std::to_string(offset) + "+" + std::to_string(bytes);
}

struct WriteBehindFixture {
    WriteBehindFixture() { open(true); }
    void open(bool direct) {
        rocksdb::FileOptions options;
        options.use_direct_writes = direct;
        REQUIRE(behind->NewWritableFile("/file", options, &file, nullptr).ok());
    }
    IOStatus append(std::uint64_t offset, const std::string& data) {
        return file->PositionedAppend(data, offset, {}, nullptr);
    }
    IOStatus sync() { return file->Sync({}, nullptr); }
    IOStatus close() { return file->Close({}, nullptr); }
    [[nodiscard]] std::string content() { return disk.content("/file"); }

    SimulatedDisk disk{1};
    std::shared_ptr<TargetFileSystem> target = std::make_shared<TargetFileSystem>(
        std::static_pointer_cast<rocksdb::FileSystem>(disk.rocksdb_file_system()));
    Target& seen = target->seen;
    std::shared_ptr<rocksdb::FileSystem> behind = make_write_behind_file_system(target);
    std::unique_ptr<rocksdb::FSWritableFile> file;
};

}  // namespace

TEST_CASE_FIXTURE(
    WriteBehindFixture,
    "storage/write_behind: small appends are written as large pieces, before the sync") {
    const std::string part(64_KiB, 'a');
    for (std::uint64_t at = 0; at < kChunk + 2 * part.size(); at += part.size())
        REQUIRE(append(at, part).ok());
    REQUIRE(sync().ok());
    REQUIRE(file->Truncate(kChunk + 5, {}, nullptr).ok());
    REQUIRE(close().ok());
    CHECK(seen.calls ==
          std::vector<std::string>{write_of(0, kChunk), write_of(kChunk, 2 * part.size()), "sync",
                                   "truncate " + std::to_string(kChunk + 5), "close"});
}

TEST_CASE_FIXTURE(WriteBehindFixture,
                  "storage/write_behind: what comes back is what was appended, with the last block "
                  "written again and again") {
    std::mt19937 random(7);
    std::string expected;
    while (expected.size() < 3 * kChunk) {
        // As RocksDB does it: from the beginning of the block that was not full.
        const std::uint64_t from = expected.size() / 4096 * 4096;
        const auto more = std::uniform_int_distribution<std::size_t>(1, 300'000)(random);
        for (std::size_t i = 0; i < more; ++i)
            expected.push_back(static_cast<char>(random()));
        std::string padded = expected.substr(from);
        padded.resize((padded.size() + 4095) / 4096 * 4096, '\0');
        REQUIRE(append(from, padded).ok());
    }
    REQUIRE(file->Truncate(expected.size(), {}, nullptr).ok());
    REQUIRE(close().ok());
    CHECK((content() == expected));
}

TEST_CASE_FIXTURE(WriteBehindFixture,
                  "storage/write_behind: the next piece is taken while the device writes") {
    std::latch device{1};
    seen.hold = &device;
    REQUIRE(append(0, std::string(kChunk, 'a')).ok());
    REQUIRE(append(kChunk, std::string(kChunk / 2, 'b')).ok());  // hangs when it waits
    CHECK(seen.calls.empty());
    device.count_down();
    REQUIRE(sync().ok());
    CHECK(seen.calls.size() == 3);
}

TEST_CASE_FIXTURE(WriteBehindFixture,
                  "storage/write_behind: a write that failed is told, and nothing is synced") {
    seen.writes_until_failure = 1;
    REQUIRE(append(0, std::string(kChunk, 'a')).ok());
    REQUIRE(append(kChunk, std::string(kChunk, 'b')).ok());  // is under way
    CHECK(sync().IsIOError());
    CHECK(file->Truncate(5, {}, nullptr).IsIOError());
    CHECK(append(2 * kChunk, "c").IsIOError());
    CHECK(file->Flush({}, nullptr).IsIOError());
    CHECK(close().IsIOError());
    CHECK(seen.calls == std::vector<std::string>{write_of(0, kChunk), "close"});
}

TEST_CASE_FIXTURE(WriteBehindFixture,
                  "storage/write_behind: a failure is its own file's, and the chunks go on") {
    seen.writes_until_failure = 0;
    for (int i = 0; i < 4; ++i)
        static_cast<void>(append(static_cast<std::uint64_t>(i) * kChunk, std::string(kChunk, 'a')));
    CHECK(close().IsIOError());
    seen.writes_until_failure = 4;
    open(true);
    for (int i = 0; i < 4; ++i)
        REQUIRE(append(static_cast<std::uint64_t>(i) * kChunk, std::string(kChunk, 'a')).ok());
    CHECK(close().ok());
    CHECK(content().size() == 4 * kChunk);
}

TEST_CASE_FIXTURE(WriteBehindFixture,
                  "storage/write_behind: a file that is given up gives its memory back") {
    for (int i = 0; i < 8; ++i) {
        REQUIRE(append(0, std::string(kChunk + 1, 'a')).ok());
        file.reset();
        open(true);
    }
    CHECK(seen.calls == std::vector<std::string>(8, write_of(0, kChunk)));
}

TEST_CASE_FIXTURE(WriteBehindFixture,
                  "storage/write_behind: other files are written as they always were") {
    open(false);
    REQUIRE(file->Append("abc", {}, nullptr).ok());
    CHECK(content() == "abc");
}

}  // namespace casc::storage
