// The simulated disk keeps its promises and, at a crash, breaks everything it did not promise.

#include "simulated_env.hpp"

#include <casc/storage/block.hpp>
#include <casc/storage/simulated_disk.hpp>

#include <doctest/doctest.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <algorithm>
#include <cstring>
#include <set>

using namespace casc;
using namespace casc::storage;

namespace {

constexpr std::size_t kFileBytes = 64 << 10;

struct OpenFile {
    explicit OpenFile(SimulatedDisk& disk)
        : queue(disk.make_write_queue(16).value()),
          file(queue->open("/file", kFileBytes).value()) {}
    void write(std::uint64_t position, const BlockRef& block) {
        file->submit_write(position, block.bytes(), position);
    }
    std::unique_ptr<WriteQueue> queue;
    std::unique_ptr<DurableFile> file;
    std::vector<WriteCompletion> completed;
};

BlockRef letters(BlockPool& pool, char letter) {
    auto block = pool.take(1);
    std::memset(block.bytes().data(), letter, block.bytes().size());
    return block;
}

}  // namespace

TEST_CASE(
    "storage/simulated_disk: a completed write survives a crash, an incomplete one in any of three "
    "ways") {
    std::set<std::string> fates;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        SimulatedDisk disk(seed);
        BlockPool pool(4096, 1 << 20);
        OpenFile open(disk);
        const auto a = letters(pool, 'a');
        const auto b = letters(pool, 'b');
        open.write(0, a);
        open.queue->wait(open.completed);
        disk.set_write_delay(100, 100);
        open.write(4096, b);
        disk.crash();
        const auto content = disk.content("/file");
        REQUIRE(content.substr(0, 4096) == std::string(4096, 'a'));
        REQUIRE(content.size() == kFileBytes);
        const auto kept = std::count(content.begin() + 4096, content.begin() + 8192, 'b');
        REQUIRE(kept % 512 == 0);
        REQUIRE(std::count(content.begin() + 8192, content.end(), '\0') == kFileBytes - 8192);
        fates.insert(kept == 0 ? "lost" : kept == 4096 ? "kept" : "torn");
        // The old queue reports the failure, once.
        open.completed.clear();
        open.queue->wait(open.completed);
        REQUIRE(open.completed.size() == 1);
        REQUIRE_FALSE(open.completed[0].result.has_value());
    }
    CHECK(fates == std::set<std::string>{"kept", "lost", "torn"});
}

TEST_CASE("storage/simulated_disk: writes complete in another order than they were made") {
    SimulatedDisk disk(3);
    BlockPool pool(4096, 1 << 20);
    OpenFile open(disk);
    std::vector<BlockRef> blocks;
    for (std::uint64_t i = 0; i < 10; ++i) {
        blocks.push_back(letters(pool, static_cast<char>('a' + i)));
        open.write(i * 4096, blocks.back());
    }
    while (open.completed.size() < 10)
        open.queue->wait(open.completed);
    CHECK_FALSE(std::is_sorted(open.completed.begin(), open.completed.end(),
                               [](const auto& x, const auto& y) { return x.token < y.token; }));
}

TEST_CASE("storage/simulated_disk: the same seed crashes the same way") {
    const auto crashed = [](std::uint64_t seed) {
        SimulatedDisk disk(seed);
        BlockPool pool(4096, 1 << 20);
        OpenFile open(disk);
        const auto block = letters(pool, 'x');
        for (std::uint64_t i = 0; i < 16; ++i)
            open.write(i * 4096, block);
        open.queue->poll(open.completed);
        disk.crash();
        return disk.content("/file");
    };
    CHECK(crashed(7) == crashed(7));
    CHECK(crashed(7) != crashed(8));
}

TEST_CASE("storage/simulated_disk: commands fail, fill, slow and cut the power") {
    SimulatedDisk disk(1);
    BlockPool pool(4096, 1 << 20);
    OpenFile open(disk);
    const auto block = letters(pool, 'x');
    const auto write = [&] {
        open.completed.clear();
        open.write(0, block);
        open.queue->wait(open.completed);
        return open.completed.at(0).result.has_value();
    };
    SUBCASE("the next write fails, the one after it does not") {
        disk.fill_file("/other", 4096).value();
        disk.fail_writes(1, "/file");
        CHECK(disk.fill_file("/other", 8192));
        CHECK_FALSE(write());
        CHECK(write());
    }
    SUBCASE("the third fails, and everything after it") {
        disk.fail_writes(SimulatedDisk::kForEver, {}, 2);
        CHECK(write());
        CHECK(write());
        CHECK_FALSE(write());
        CHECK_FALSE(write());
    }
    SUBCASE("a full disk refuses what is new and takes what has its place") {
        disk.set_capacity(disk.bytes_used() + 100);
        CHECK(disk.replace_file("/small", std::string(101, 's')).error().code ==
              ErrorCode::disk_full);
        CHECK(disk.free_bytes("/").value() == 100);
        CHECK(write());
    }
    SUBCASE("a slow write takes the polls it was told to") {
        disk.set_write_delay(5, 5);
        open.write(0, block);
        for (int i = 0; i < 5; ++i)
            open.queue->poll(open.completed);
        CHECK(open.completed.empty());
        open.queue->poll(open.completed);
        CHECK(open.completed.size() == 1);
    }
    SUBCASE("a flipped bit is what a reader sees") {
        CHECK(write());
        disk.flip_bit("/file", 17, 0);
        CHECK(disk.content("/file")[17] == ('x' ^ 1));
        const auto position = disk.flip_random_bit("/file", 100, 200);
        CHECK(position >= 100);
        CHECK(position < 200);
        CHECK(disk.content("/file")[position] != 'x');
    }
    SUBCASE("the power goes by itself after so many writes, and nothing works until it is back") {
        disk.cut_power_after(1);
        CHECK(write());
        CHECK_FALSE(write());
        CHECK_FALSE(disk.powered());
        CHECK_FALSE(disk.read_file("/file").has_value());
        disk.power_on();
        CHECK(disk.read_file("/file").has_value());
        CHECK_FALSE(write());  // but what was opened before is dead
    }
}

TEST_CASE("storage/simulated_disk: small files and locks are durable and exclusive") {
    SimulatedDisk disk(1);
    REQUIRE(disk.make_directories("/a/b"));
    REQUIRE(disk.replace_file("/a/b/file", "one"));
    REQUIRE(disk.replace_file("/a/b/file", "two"));
    auto lock = disk.lock("/a/LOCK");
    REQUIRE(lock);
    CHECK(disk.lock("/a/LOCK").error().code == ErrorCode::data_locked);
    disk.crash();
    CHECK(disk.read_file("/a/b/file").value() == "two");
    CHECK(disk.list("/a/b").value() == std::vector<std::string>{"file"});
    auto after = disk.lock("/a/LOCK");
    CHECK(after.has_value());  // whoever held it died with the power
    *lock = nullptr;
    CHECK(disk.lock("/a/LOCK").error().code ==
          ErrorCode::data_locked);  // and cannot give up the new one
    CHECK(disk.read_file("/gone").error().code == ErrorCode::data_missing);
}

// --- as RocksDB's file system --------------------------------------------------------------------

namespace {

struct RocksFixture {
    explicit RocksFixture(std::uint64_t seed = 1) : disk(seed) {}
    rocksdb::FileSystem& file_system() {
        current = std::static_pointer_cast<rocksdb::FileSystem>(disk.rocksdb_file_system());
        return *current;
    }
    void write(const std::string& path, const std::string& text, bool sync) {
        std::unique_ptr<rocksdb::FSWritableFile> file;
        REQUIRE(current->NewWritableFile(path, {}, &file, nullptr).ok());
        REQUIRE(file->Append(text, {}, nullptr).ok());
        if (sync) REQUIRE(file->Sync({}, nullptr).ok());
    }
    void sync_directory(const std::string& path) {
        std::unique_ptr<rocksdb::FSDirectory> directory;
        REQUIRE(current->NewDirectory(path, {}, &directory, nullptr).ok());
        REQUIRE(directory->Fsync({}, nullptr).ok());
    }
    bool exists(const std::string& path) {
        return file_system().FileExists(path, {}, nullptr).ok();
    }

    SimulatedDisk disk;
    std::shared_ptr<rocksdb::FileSystem> current;
};

struct RocksDb {
    explicit RocksDb(SimulatedDisk& disk)
        : environment(make_simulated_env(
              std::static_pointer_cast<rocksdb::FileSystem>(disk.rocksdb_file_system()))) {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.env = environment.get();
        options.write_buffer_size = 64 << 10;
        rocksdb::DB* opened = nullptr;
        status = rocksdb::DB::Open(options, "/db", &opened);
        db.reset(opened);
    }
    std::unique_ptr<rocksdb::Env> environment;
    std::unique_ptr<rocksdb::DB> db;
    rocksdb::Status status;
};

}  // namespace

TEST_CASE("storage/simulated_disk: bytes appended and not synced are cut somewhere at a crash") {
    std::set<bool> shorter;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SimulatedDisk disk(seed);
        const auto files =
            std::static_pointer_cast<rocksdb::FileSystem>(disk.rocksdb_file_system());
        std::unique_ptr<rocksdb::FSWritableFile> file;
        REQUIRE(files->NewWritableFile("/log", {}, &file, nullptr).ok());
        REQUIRE(file->Append("synced", {}, nullptr).ok());
        REQUIRE(file->Sync({}, nullptr).ok());
        std::unique_ptr<rocksdb::FSDirectory> root;
        REQUIRE(files->NewDirectory("/", {}, &root, nullptr).ok());
        REQUIRE(root->Fsync({}, nullptr).ok());
        REQUIRE(file->Append(" and not synced", {}, nullptr).ok());
        disk.crash();
        const auto content = disk.content("/log");
        CHECK(std::string("synced and not synced").starts_with(content));
        CHECK(content.starts_with("synced"));
        shorter.insert(content.size() < 21);
        CHECK_FALSE(file->Append("x", {}, nullptr).ok());  // the old handle is dead
    }
    CHECK(shorter.contains(true));
}

// RocksDB asserts that it can read the last block of a file that it ingests. A power cut at that
// moment used to fail the read, and the assertion ended the tests.
TEST_CASE("storage/simulated_disk: what was open when the power went is read as it was") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        RocksFixture rocks(seed);
        rocks.file_system();
        rocks.write("/file", "not synced", false);
        rocks.sync_directory("/");
        std::unique_ptr<rocksdb::FSRandomAccessFile> file;
        REQUIRE(rocks.current->NewRandomAccessFile("/file", {}, &file, nullptr).ok());
        rocks.disk.power_off();
        const auto read = [&] {
            char scratch[16];
            rocksdb::Slice found;
            REQUIRE(file->Read(0, sizeof scratch, {}, &found, scratch, nullptr).ok());
            return found.ToString();
        };
        CHECK(read() == "not synced");
        CHECK_FALSE(rocks.current->NewRandomAccessFile("/file", {}, &file, nullptr).ok());
        rocks.disk.power_on();
        rocks.disk.set_content("/file", "overwritten");
        CHECK(read() == "not synced");
    }
}

TEST_CASE("storage/simulated_disk: names whose directory was not synced may be as before") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        RocksFixture rocks(seed);
        rocks.file_system();
        rocks.write("/CURRENT", "old", true);
        rocks.sync_directory("/");
        rocks.write("/CURRENT.tmp", "new", true);
        REQUIRE(rocks.current->RenameFile("/CURRENT.tmp", "/CURRENT", {}, nullptr).ok());
        rocks.disk.crash();
        const auto content = rocks.disk.content("/CURRENT");
        seen.insert(content + (rocks.exists("/CURRENT.tmp") ? "+tmp" : ""));
    }
    // Before both changes, between them, after both; never without CURRENT.
    CHECK(seen == std::set<std::string>{"old", "old+tmp", "new"});
}

TEST_CASE_FIXTURE(RocksFixture, "storage/simulated_disk: names whose directory was synced stay") {
    file_system();
    write("/CURRENT.tmp", "new", true);
    REQUIRE(current->RenameFile("/CURRENT.tmp", "/CURRENT", {}, nullptr).ok());
    REQUIRE(current->LinkFile("/CURRENT", "/LINK", {}, nullptr).ok());
    sync_directory("/");
    REQUIRE(current->DeleteFile("/CURRENT", {}, nullptr).ok());
    sync_directory("/");
    disk.crash();
    CHECK_FALSE(exists("/CURRENT"));
    CHECK_FALSE(exists("/CURRENT.tmp"));
    CHECK(disk.content("/LINK") == "new");
}

TEST_CASE("storage/simulated_disk: RocksDB keeps its word on it over crashes") {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        CAPTURE(seed);
        SimulatedDisk disk(seed);
        rocksdb::WriteOptions synced;
        synced.sync = true;
        int acknowledged = 0;
        for (int round = 0; round < 4; ++round) {
            RocksDb rocks(disk);
            REQUIRE_MESSAGE(rocks.status.ok(), rocks.status.ToString());
            for (int i = 0; i < acknowledged; ++i) {
                std::string value;
                REQUIRE(rocks.db->Get({}, std::to_string(i), &value).ok());
                REQUIRE(value == std::string(1000, static_cast<char>('a' + i % 26)));
            }
            for (int i = 0; i < 150; ++i, ++acknowledged)
                REQUIRE(rocks.db
                            ->Put(synced, std::to_string(acknowledged),
                                  std::string(1000, static_cast<char>('a' + acknowledged % 26)))
                            .ok());
            REQUIRE(rocks.db->Put({}, "unsynced", std::to_string(round)).ok());
            disk.crash();
            CHECK_FALSE(rocks.db->Put(synced, "after", "the crash").ok());
        }
    }
}

TEST_CASE("storage/simulated_disk: RocksDB reports a failed write and a full disk") {
    SimulatedDisk disk(5);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    SUBCASE("failed") {
        RocksDb rocks(disk);
        disk.fail_writes(SimulatedDisk::kForEver);
        CHECK_FALSE(rocks.db->Put(synced, "a", "b").ok());
    }
    SUBCASE("full") {
        RocksDb rocks(disk);
        disk.set_capacity(disk.bytes_used());
        CHECK(rocks.db->Put(synced, "a", "b").IsNoSpace());
    }
}
