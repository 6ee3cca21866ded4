// Pieces of files that are read from front to back.

#include "piece_cache.hpp"

#include "counting_file.hpp"

#include <casc/types/units.hpp>

#include <doctest/doctest.h>

#include <string>
#include <thread>

namespace casc::storage {

namespace {

constexpr std::size_t kPiece = PieceCache::kPieceBytes;

struct PieceFixture {
    DirectFileRef open(std::uint64_t size) {
        auto file = std::make_shared<DirectFile>();
        file->file = std::make_unique<CountingFile>(size, reads);
        file->size = size;
        return file;
    }
    // Whether the bytes came, and the right ones.
    bool read(const DirectFileRef& file, std::uint64_t offset, std::size_t bytes) {
        std::string to(bytes, '\0');
        const auto got = pieces.read(file, offset, bytes, to.data());
        return got && *got == std::min<std::uint64_t>(bytes, file->size - offset) &&
               is_counting(to.data(), offset, *got);
    }
    ReadsDone reads;
    PieceCache pieces;
};

}  // namespace

TEST_CASE_FIXTURE(PieceFixture,
                  "storage/piece_cache: a file is read piece by piece, each once, to its end") {
    const auto file = open(3 * kPiece + 100'000);
    for (std::uint64_t at = 0; at < file->size; at += 70'000)
        CHECK(read(file, at, 70'000));
    CHECK(reads.offsets == std::vector<std::uint64_t>{0, kPiece, 2 * kPiece, 3 * kPiece});
}

TEST_CASE_FIXTURE(PieceFixture, "storage/piece_cache: what is expected is read in the background") {
    const auto file = open(4 * kPiece);
    for (std::uint64_t piece = 0; piece < 8; ++piece)
        pieces.expect(file, piece);  // behind the end there is nothing to expect
    pieces.expect(file, 2);
    CHECK(pieces.holds(*file, 3));
    CHECK_FALSE(pieces.holds(*file, 4));
    for (std::uint64_t at = 0; at < file->size; at += kPiece / 2)
        CHECK(read(file, at, kPiece / 2));
    CHECK(reads.count() == 4);
}

TEST_CASE_FIXTURE(PieceFixture,
                  "storage/piece_cache: pieces that somebody waits for are not taken from him") {
    const auto expected = open(PieceCache::kPiecesMax * kPiece);
    for (std::uint64_t piece = 0; piece < PieceCache::kPiecesMax; ++piece)
        pieces.expect(expected, piece);
    const auto other = open(2 * kPiece);
    CHECK_FALSE(read(other, 0, 1000));
    CHECK(read(expected, 0, kPiece));  // to its end: now its buffer is free
    CHECK(read(other, 0, 1000));
    for (std::uint64_t piece = 1; piece < PieceCache::kPiecesMax; ++piece)
        CHECK(read(expected, piece * kPiece, kPiece));
    CHECK(reads.count() == PieceCache::kPiecesMax + 1);
}

TEST_CASE_FIXTURE(PieceFixture,
                  "storage/piece_cache: pieces whose reader has gone away do not stay for ever") {
    const auto left = open(PieceCache::kPiecesMax / 2 * kPiece);
    for (std::uint64_t piece = 0; piece < PieceCache::kPiecesMax / 2; ++piece)
        CHECK(read(left, piece * kPiece, 1000));
    const auto other = open(400 * kPiece);
    for (std::uint64_t piece = 0; piece < 400; ++piece)
        CHECK(read(other, piece * kPiece, kPiece));
    CHECK_FALSE(pieces.holds(*left, 0));
}

TEST_CASE_FIXTURE(PieceFixture,
                  "storage/piece_cache: a read that fails is not an answer, and is tried again") {
    const auto file = open(2 * kPiece);
    reads.failing = true;
    pieces.expect(file, 1);
    CHECK_FALSE(read(file, kPiece, 1000));
    CHECK_FALSE(read(file, 0, 1000));
    reads.failing = false;
    CHECK(read(file, 0, 2 * kPiece));
}

TEST_CASE_FIXTURE(PieceFixture, "storage/piece_cache: a file that is forgotten is closed") {
    auto file = open(8 * kPiece);
    CHECK(read(file, 0, 1000));
    for (std::uint64_t piece = 1; piece < 8; ++piece)
        pieces.expect(file, piece);
    pieces.forget(*file);
    for (std::uint64_t piece = 0; piece < 8; ++piece)
        CHECK_FALSE(pieces.holds(*file, piece));
    CHECK(reads.open == 1);
    file.reset();
    CHECK(reads.open == 0);
}

TEST_CASE_FIXTURE(PieceFixture,
                  "storage/piece_cache: many readers of the same files find the right bytes") {
    constexpr int kReaders = 4;
    std::vector<DirectFileRef> files{open(20 * kPiece), open(13 * kPiece + 5)};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int reader = 0; reader < kReaders; ++reader) {
        threads.emplace_back([&, reader] {
            for (std::size_t turn = 0; turn < files.size(); ++turn) {
                const auto& file = files[(turn + static_cast<std::size_t>(reader)) % files.size()];
                std::string to(100'000, '\0');
                for (std::uint64_t at = 0; at < file->size; at += to.size()) {
                    for (std::uint64_t next = 1; next <= 3; ++next)
                        pieces.expect(file, PieceCache::piece_of(at) + next);
                    // Nothing when every buffer is somebody else's: that is allowed.
                    const auto got = pieces.read(file, at, to.size(), to.data());
                    if (got && !is_counting(to.data(), at, *got)) ++wrong;
                }
            }
        });
    }
    threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i)
            pieces.forget(*files[static_cast<std::size_t>(i) % files.size()]);
    });
    for (auto& thread : threads)
        thread.join();
    CHECK(wrong == 0);
}

}  // namespace casc::storage
