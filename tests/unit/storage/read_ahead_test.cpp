// What is asked of the kernel before a stored file is read.

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
    void open(const rocksdb::FileOptions& options = {}) {
        const auto ahead = make_read_ahead_file_system(noting);
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

}  // namespace casc::storage
