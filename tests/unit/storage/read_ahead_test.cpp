// What is asked of the kernel before a stored file is read.

#include "counting_file.hpp"
#include "read_ahead_file_system.hpp"

#include <casc/storage/simulated_disk.hpp>
#include <casc/types/units.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace casc::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

struct Asked {
    std::uint64_t begin;
    std::uint64_t bytes;
    bool operator==(const Asked&) const = default;
};

class NotingFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
public:
    NotingFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, std::vector<Asked>& asked)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), asked_(asked) {}
    IOStatus Prefetch(uint64_t offset, size_t bytes, const IOOptions&, IODebugContext*) override {
        asked_.push_back({offset, bytes});
        return IOStatus::OK();
    }

private:
    std::vector<Asked>& asked_;
};

class NotingFileSystem final : public rocksdb::FileSystemWrapper {
public:
    using FileSystemWrapper::FileSystemWrapper;
    const char* Name() const override { return "noting"; }
    IOStatus NewRandomAccessFile(const std::string& path, const rocksdb::FileOptions& options,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                 IODebugContext* debug) override {
        const auto status = target()->NewRandomAccessFile(path, options, file, debug);
        if (status.ok()) *file = std::make_unique<NotingFile>(std::move(*file), asked);
        return status;
    }
    std::vector<Asked> asked;
};

struct ReadAheadFixture {
    ReadAheadFixture() {
        disk.fill_file("/file", 16_MiB).value();
        noting = std::make_shared<NotingFileSystem>(
            std::static_pointer_cast<rocksdb::FileSystem>(disk.rocksdb_file_system()));
    }
    void open(const rocksdb::FileOptions& options = {},
              FirstReads first_reads = FirstReads::through_page_cache) {
        const auto ahead = make_read_ahead_file_system(noting, first_reads);
        REQUIRE(ahead->NewRandomAccessFile("/file", options, &file, nullptr).ok());
    }
    // What was asked for before this read.
    std::vector<Asked> read(std::uint64_t begin, std::uint64_t bytes) {
        noting->asked.clear();
        std::string scratch(bytes, '\0');
        rocksdb::Slice found;
        REQUIRE(file->Read(begin, bytes, {}, &found, scratch.data(), nullptr).ok());
        CHECK(found.size() == bytes);
        return noting->asked;
    }
    static std::uint64_t end_of(const std::vector<Asked>& asked) {
        REQUIRE_FALSE(asked.empty());
        return asked.back().begin + asked.back().bytes;
    }

    SimulatedDisk disk{1};
    std::shared_ptr<NotingFileSystem> noting;
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
};

}  // namespace

TEST_CASE_FIXTURE(ReadAheadFixture, "storage/read_ahead: look-ups ask for nothing") {
    open();
    CHECK(read(0, 32_KiB).empty());
    CHECK(read(64_KiB, 32_KiB).empty());
    CHECK(read(8_MiB, 256_KiB).empty());
    CHECK(read(64_KiB, 32_KiB).empty());  // the same again is no continuation
}

TEST_CASE_FIXTURE(ReadAheadFixture,
                  "storage/read_ahead: a read that continues asks for its own bytes and more, and "
                  "for more the longer it goes on") {
    open();
    CHECK(read(0, 64_KiB).empty());
    const auto second = read(64_KiB, 64_KiB);
    REQUIRE_FALSE(second.empty());
    CHECK(second.front().begin == 64_KiB);
    std::uint64_t asked_until = end_of(second);
    std::uint64_t ahead = asked_until - 128_KiB;
    CHECK(ahead >= 64_KiB);
    CHECK(ahead < 1_MiB);
    for (std::uint64_t at = 128_KiB; at < 8_MiB; at += 64_KiB) {
        const auto asked = read(at, 64_KiB);
        if (asked.empty()) continue;
        CHECK(asked.front().begin == asked_until);  // nothing twice, nothing left out
        asked_until = end_of(asked);
        CHECK(asked_until - (at + 64_KiB) >= ahead);
        ahead = asked_until - (at + 64_KiB);
    }
    CHECK(ahead == 4_MiB);
}

TEST_CASE_FIXTURE(ReadAheadFixture,
                  "storage/read_ahead: readers and look-ups in the same file do not spoil it") {
    open();
    CHECK(read(0, 256_KiB).empty());
    CHECK(read(8_MiB, 256_KiB).empty());
    for (std::uint64_t at = 256_KiB; at < 2_MiB; at += 256_KiB) {
        CHECK_FALSE(read(at, 256_KiB).empty());
        CHECK_FALSE(read(8_MiB + at, 256_KiB).empty());
        CHECK(read(15_MiB - at / 2, 8_KiB).empty());
    }
}

TEST_CASE_FIXTURE(ReadAheadFixture, "storage/read_ahead: direct reads are left alone") {
    rocksdb::FileOptions direct;
    direct.use_direct_reads = true;
    open(direct);
    CHECK(read(0, 256_KiB).empty());
    CHECK(read(256_KiB, 256_KiB).empty());
}

namespace {

// Files made of nothing; direct reads and those through the page cache are counted apart.
class TwoWaysFileSystem final : public rocksdb::FileSystemWrapper {
public:
    TwoWaysFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
    const char* Name() const override { return "two ways"; }
    IOStatus NewRandomAccessFile(const std::string&, const rocksdb::FileOptions& options,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                 IODebugContext*) override {
        if (options.use_direct_reads && no_direct) return IOStatus::NotSupported("as on a tmpfs");
        *file = std::make_unique<CountingFile>(kBytes, options.use_direct_reads ? direct : cached);
        return IOStatus::OK();
    }
    IOStatus GetFileSize(const std::string&, const IOOptions&, uint64_t* bytes,
                         IODebugContext*) override {
        *bytes = kBytes;
        return IOStatus::OK();
    }
    static constexpr std::uint64_t kBytes = 40_MiB;
    ReadsDone direct;
    ReadsDone cached;
    bool no_direct = false;
};

struct FirstReadsFixture {
    FirstReadsFixture() {
        const auto ahead = make_read_ahead_file_system(ways, FirstReads::direct);
        REQUIRE(ahead->NewRandomAccessFile("/file", {}, &file, nullptr).ok());
    }
    void read(std::uint64_t begin, std::uint64_t bytes) {
        std::string scratch(bytes, '\0');
        rocksdb::Slice found;
        REQUIRE(file->Read(begin, bytes, {}, &found, scratch.data(), nullptr).ok());
        const std::uint64_t there =
            std::min<std::uint64_t>(bytes, TwoWaysFileSystem::kBytes - begin);
        CHECK((found.size() == there && is_counting(found.data(), begin, found.size())));
    }
    void read_everything() {
        for (std::uint64_t at = 0; at < TwoWaysFileSystem::kBytes; at += 100'000)
            read(at, 100'000);
    }
    const std::shared_ptr<TwoWaysFileSystem> ways = std::make_shared<TwoWaysFileSystem>();
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
};

}  // namespace

TEST_CASE_FIXTURE(FirstReadsFixture,
                  "storage/read_ahead: who goes through a file reads past the page cache, in whole "
                  "pieces") {
    read_everything();
    CHECK(ways->direct.count() == 40);
    CHECK(ways->cached.count() <= 3);
}

TEST_CASE_FIXTURE(FirstReadsFixture,
                  "storage/read_ahead: what is read again fills the page cache") {
    read_everything();
    const std::size_t direct = ways->direct.count();
    read_everything();
    // The buffers still hold most of the end.
    CHECK(ways->direct.count() <= direct + 1);
    CHECK(ways->cached.count() > 50);
}

TEST_CASE_FIXTURE(FirstReadsFixture, "storage/read_ahead: look-ups are the page cache's") {
    for (std::uint64_t at = 0; at < TwoWaysFileSystem::kBytes - 1_MiB; at += 700'000)
        read(at, 100'000);
    CHECK(ways->direct.count() == 0);
}

TEST_CASE_FIXTURE(
    FirstReadsFixture,
    "storage/read_ahead: where direct reads are refused or fail, the page cache does") {
    ways->no_direct = true;
    read_everything();
    ways->no_direct = false;
    ways->direct.failing = true;
    read_everything();
    CHECK(ways->cached.count() >= 2 * 419);
}

TEST_CASE_FIXTURE(FirstReadsFixture, "storage/read_ahead: a file that is closed is let go of") {
    read(0, 1_MiB);
    read(1_MiB, 1_MiB);
    CHECK(ways->direct.open == 1);
    file.reset();
    CHECK(ways->direct.open == 0);
}

}  // namespace casc::storage
