// The two real disks, in a directory for tests. Where the kernel or the file system has no io_uring
// or O_DIRECT, the io_uring cases say so and pass on.

#include <casc/storage/block.hpp>
#include <casc/storage/disk.hpp>
#include <casc/storage/journal.hpp>
#include <casc/wire/crc32c.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <set>
#include <unistd.h>

using namespace casc;
using namespace casc::storage;

namespace {

struct TestDirectory {
    TestDirectory()
        : path(std::filesystem::temp_directory_path() /
               ("casc_disk_test_" + std::to_string(::getpid()))) {
        std::filesystem::remove_all(path);
        std::filesystem::create_directories(path);
    }
    ~TestDirectory() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

// Runs `body` on each disk that works here.
void on_each_disk(const std::function<void(Disk&, const std::filesystem::path&)>& body) {
    for (const bool uring : {true, false}) {
        const TestDirectory directory;
        auto disk = uring ? make_uring_disk(directory.path) : make_sync_disk();
        if (!disk && disk.error().code == ErrorCode::not_supported) {
            MESSAGE("no io_uring here: ", disk.error().message());
            continue;
        }
        REQUIRE(disk);
        CAPTURE((*disk)->name());
        body(**disk, directory.path);
    }
}

BlockRef filled_block(BlockPool& pool, std::size_t bytes, int with) {
    auto block = pool.take(bytes);
    std::memset(block.bytes().data(), with, bytes);
    return block;
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool readable_within(int descriptor, int milliseconds) {
    pollfd waiting{descriptor, POLLIN, 0};
    return ::poll(&waiting, 1, milliseconds) == 1;
}

}  // namespace

TEST_CASE(
    "storage/disk: several writes in flight, of one chunk and of many, all land where they "
    "should") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        BlockPool pool(1_MiB, 8_MiB);
        const auto queue = disk.make_write_queue(8).value();
        const auto file = queue->open(directory / "data", 4_MiB).value();
        const std::size_t sizes[] = {4_KiB, 128_KiB, 132_KiB, 1_MiB,
                                     4_KiB, 512_KiB, 8_KiB,   300_KiB};
        std::vector<BlockRef> blocks;
        std::uint64_t position = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            blocks.push_back(filled_block(pool, sizes[i], static_cast<int>('a' + i)));
            file->submit_write(position, blocks.back().bytes().first(sizes[i]), i);
            position += sizes[i];
        }
        std::vector<WriteCompletion> completed;
        while (completed.size() < 8)
            queue->wait(completed);
        std::set<std::uint64_t> tokens;
        for (const auto& completion : completed) {
            CHECK(completion.result.has_value());
            tokens.insert(completion.token);
        }
        CHECK(tokens.size() == 8);
        position = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            const auto into = pool.take(sizes[i]);
            CHECK(file->read(position, into.bytes().first(sizes[i])).value() == sizes[i]);
            CHECK(text_of(into.bytes().first(sizes[i])) ==
                  std::string(sizes[i], static_cast<char>('a' + i)));
            position += sizes[i];
        }
    });
}

TEST_CASE("storage/disk: more chunks than the kernel may hold are still written") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        BlockPool pool(24_MiB, 48_MiB);
        const auto queue = disk.make_write_queue(2).value();
        const auto file = queue->open(directory / "data", 48_MiB).value();
        const auto a = filled_block(pool, 24_MiB, 'a');
        const auto b = filled_block(pool, 24_MiB, 'b');
        file->submit_write(0, a.bytes(), 1);
        file->submit_write(24_MiB, b.bytes(), 2);
        std::vector<WriteCompletion> completed;
        while (completed.size() < 2)
            queue->wait(completed);
        const auto into = pool.take(4_KiB);
        for (const std::uint64_t position : {std::uint64_t{0}, std::uint64_t{24_MiB - 4_KiB}}) {
            REQUIRE(file->read(position, into.bytes().first(4_KiB)).value() == 4_KiB);
            CHECK(text_of(into.bytes().first(4_KiB)) == std::string(4_KiB, 'a'));
        }
        REQUIRE(file->read(48_MiB - 4_KiB, into.bytes().first(4_KiB)).value() == 4_KiB);
        CHECK(text_of(into.bytes().first(4_KiB)) == std::string(4_KiB, 'b'));
    });
}

TEST_CASE(
    "storage/disk: the event descriptor tells of completions and of wake(), and poll() takes it "
    "back") {
    const TestDirectory directory;
    const auto disk = make_uring_disk(directory.path);
    if (!disk) return;
    BlockPool pool(4_KiB, 1_MiB);
    const auto queue = (*disk)->make_write_queue(1).value();
    const auto file = queue->open(directory.path / "data", 4_KiB).value();
    const auto block = filled_block(pool, 4_KiB, 'e');
    std::vector<WriteCompletion> completed;
    CHECK_FALSE(readable_within(queue->event_fd(), 0));
    file->submit_write(0, block.bytes(), 1);
    REQUIRE(readable_within(queue->event_fd(), 30'000));
    while (completed.empty())
        queue->poll(completed);
    while (readable_within(queue->event_fd(), 0))
        queue->poll(completed);
    CHECK(completed.size() == 1);
    queue->wake();
    CHECK(readable_within(queue->event_fd(), 0));
    queue->poll(completed);
    CHECK_FALSE(readable_within(queue->event_fd(), 0));
}

TEST_CASE("storage/disk: a file is opened with exactly the size asked for, filled with zeros") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        BlockPool pool(64_KiB, 1_MiB);
        const auto queue = disk.make_write_queue(1).value();
        {
            const auto file = queue->open(directory / "data", 64_KiB).value();
            CHECK(file->size() == 64_KiB);
            const auto into = pool.take(64_KiB);
            CHECK(file->read(0, into.bytes()).value() == 64_KiB);
            CHECK(text_of(into.bytes()) == std::string(64_KiB, '\0'));
            CHECK(file->read(60_KiB, into.bytes()).value() == 4_KiB);  // fewer at the end
            const auto block = filled_block(pool, 4_KiB, 'k');
            file->submit_write(0, block.bytes().first(4_KiB), 1);
            std::vector<WriteCompletion> completed;
            queue->wait(completed);
            CHECK(file->sync());
        }
        // Longer: what is there stays. Shorter than it is: refused.
        {
            const auto file = queue->open(directory / "data", 128_KiB).value();
            CHECK(std::filesystem::file_size(directory / "data") == 128_KiB);
            const auto into = pool.take(4_KiB);
            CHECK(file->read(0, into.bytes().first(4_KiB)).value() == 4_KiB);
            CHECK(text_of(into.bytes().first(4_KiB)) == std::string(4_KiB, 'k'));
        }
        CHECK(queue->open(directory / "data", 64_KiB).error().code == ErrorCode::invalid_config);
        CHECK(std::filesystem::file_size(directory / "data") == 128_KiB);
    });
}

TEST_CASE("storage/disk: filling goes on where a crash left a file of any length") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        std::ofstream(directory / "data") << std::string(5000, '\0');
        REQUIRE(disk.fill_file(directory / "data", 16_KiB));
        CHECK(disk.read_file(directory / "data").value() == std::string(16_KiB, '\0'));
    });
}

TEST_CASE("storage/disk: a full device is disk_full") {
    // /dev/full takes no O_DIRECT, so this is asked of the plain disk only.
    CHECK((*make_sync_disk())->fill_file("/dev/full", 4_KiB).error().code == ErrorCode::disk_full);
}

TEST_CASE("storage/disk: small files are replaced whole, listed and removed") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        REQUIRE(disk.make_directories(directory / "a" / "b"));
        REQUIRE(disk.make_directories(directory / "a" / "b"));
        const auto path = directory / "a" / "b" / "file";
        REQUIRE(disk.replace_file(path, "one, and longer"));
        REQUIRE(disk.replace_file(path, "two"));
        CHECK(disk.read_file(path).value() == "two");
        CHECK(disk.list(directory / "a" / "b").value() == std::vector<std::string>{"file"});
        REQUIRE(disk.remove_file(path));
        CHECK(disk.list(directory / "a" / "b").value().empty());
        CHECK(disk.free_bytes(directory).value() > 0);
    });
}

TEST_CASE("storage/disk: what is not there is data_missing and names the path") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        const auto gone = directory / "gone";
        CHECK(disk.read_file(gone).error().code == ErrorCode::data_missing);
        CHECK(disk.open_to_read(gone).error().code == ErrorCode::data_missing);
        CHECK(disk.remove_file(gone).error().code == ErrorCode::data_missing);
        CHECK(disk.list(gone).error().code == ErrorCode::data_missing);
        CHECK(disk.free_bytes(gone).error().code == ErrorCode::data_missing);
        CHECK(disk.replace_file(gone / "file", "x").error().code == ErrorCode::data_missing);
        CHECK(disk.read_file(gone).error().detail.find(gone.string()) != std::string::npos);
    });
}

TEST_CASE("storage/disk: a lock is held by one and free again when it goes") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        {
            const auto held = disk.lock(directory / "LOCK");
            REQUIRE(held);
            CHECK(disk.lock(directory / "LOCK").error().code == ErrorCode::data_locked);
        }
        CHECK(disk.lock(directory / "LOCK").has_value());
    });
}

TEST_CASE("storage/disk: the best disk is io_uring or says why not") {
    const TestDirectory directory;
    std::string why;
    const auto disk = make_best_disk(directory.path, why);
    REQUIRE(disk);
    CHECK(((*disk)->name() == "io_uring") == why.empty());
    CHECK(std::filesystem::is_empty(directory.path));  // the probe leaves nothing behind
}

TEST_CASE(
    "storage/disk: a journal on a real disk recovers what was durable while segments are "
    "recycled") {
    on_each_disk([](Disk& disk, const std::filesystem::path& directory) {
        const JournalOptions options{.directory = directory / "journal",
                                     .segment_bytes = 1_MiB,
                                     .segments_min = 2,
                                     .segments_max = 6,
                                     .writes_in_flight = 8};
        const auto check = [](std::span<const std::byte> body, std::uint32_t crc) {
            return wire::crc32c(body) == crc;
        };
        BlockPool pool(64_KiB, 4_MiB);
        RecoveryReport report;
        const auto ignore = [](const RecoveredEntry&) { return Result<void>(); };
        std::uint64_t written = 0;
        {
            const auto journal = Journal::open(disk, options, check, ignore, report).value();
            for (; written < 500; ++written) {
                const auto bytes = 100 + written * 97 % 60000;
                auto block = filled_block(pool, kEntryHeaderBytes + bytes,
                                          static_cast<int>('a' + written % 26));
                const auto crc = wire::crc32c(block.bytes().subspan(kEntryHeaderBytes, bytes));
                while (!journal->can_submit(bytes)) {
                    journal->wait();
                    journal->recycle_through(journal->durable_through());
                }
                journal->submit(std::move(block), bytes, crc, 1);
            }
            while (journal->writes_in_flight() > 0)
                journal->wait();
            CHECK(journal->durable_through() == JournalSequence(501));
        }
        std::uint64_t last = 0;
        bool right = true;
        const auto visit = [&](const RecoveredEntry& entry) {
            right = right && (last == 0 || entry.sequence.value() == last + 1);
            last = entry.sequence.value();
            if (entry.record_count == 0) return Result<void>();
            const auto letter = static_cast<std::byte>('a' + (last - 2) % 26);
            right = right && entry.body.size() == 100 + (last - 2) * 97 % 60000;
            for (const auto byte : entry.body)
                right = right && byte == letter;
            return Result<void>();
        };
        REQUIRE(Journal::open(disk, options, check, visit, report));
        CHECK(right);
        CHECK(report.last == JournalSequence(501));
        CHECK(report.torn_entries == 0);
    });
}
