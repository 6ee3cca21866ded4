#include "piece_cache.hpp"

#include "huge_memory.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <pthread.h>

namespace casc::storage {

namespace {
// A piece whose reader has not come back while so many others were used is not waited for.
constexpr std::uint64_t kUsesUntilStale = 4 * PieceCache::kPiecesMax;
}  // namespace

PieceCache::PieceCache() : thread_([this] { run(); }) {}

PieceCache::~PieceCache() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    expected_any_.notify_all();
    thread_.join();
}

// --- for readers ---------------------------------------------------------------------------------

bool PieceCache::holds(const DirectFile& file, std::uint64_t piece) const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(pieces_, [&](const Piece& held) {
        return held.file.get() == &file && held.number == piece && held.state != State::failed;
    });
}

std::optional<std::size_t> PieceCache::read(const DirectFileRef& file, std::uint64_t offset,
                                            std::size_t bytes, char* to) {
    Lock lock(mutex_);
    std::size_t copied = 0;
    while (copied < bytes && offset + copied < file->size) {
        const std::uint64_t at = offset + copied;
        Piece* const piece = obtain(file, piece_of(at), lock);
        if (piece == nullptr) return std::nullopt;
        const std::size_t skipped = at % kPieceBytes;
        // Shorter than the file is long: it was cut since, which the caller's own read will find.
        if (piece->bytes <= skipped) return std::nullopt;
        const std::size_t count = std::min(bytes - copied, piece->bytes - skipped);
        ++piece->users;
        lock.unlock();
        std::memcpy(to + copied, piece->memory.get() + skipped, count);
        lock.lock();
        if (--piece->users == 0) changed_.notify_all();
        if (skipped + count == piece->bytes) piece->consumed = true;
        copied += count;
    }
    return copied;
}

PieceCache::Piece* PieceCache::obtain(const DirectFileRef& file, std::uint64_t number, Lock& lock) {
    for (;;) {
        Piece* piece = find(*file, number);
        if (piece == nullptr) piece = claim(file, number);
        if (piece == nullptr) return nullptr;
        piece->last_use = ++uses_;
        switch (piece->state) {
            case State::loaded:
                return piece;
            case State::failed:
                release(*piece);
                return nullptr;
            case State::loading:
                changed_.wait(lock);
                break;  // it may be another one's by now
            case State::expected:
                // The thread is behind: two reads at once are faster than waiting for its turn.
                std::erase(expected_, piece);
                [[fallthrough]];
            case State::free:
                load(*piece, lock);
                break;
        }
    }
}

void PieceCache::expect(const DirectFileRef& file, std::uint64_t piece) {
    if (piece * kPieceBytes >= file->size) return;
    const std::lock_guard lock(mutex_);
    if (find(*file, piece) != nullptr) return;
    Piece* const claimed = claim(file, piece);
    if (claimed == nullptr) return;
    claimed->state = State::expected;
    claimed->last_use = ++uses_;
    expected_.push_back(claimed);
    expected_any_.notify_one();
}

void PieceCache::forget(const DirectFile& file) {
    Lock lock(mutex_);
    for (Piece& piece : pieces_) {
        if (piece.file.get() != &file) continue;
        changed_.wait(lock, [&] { return piece.state != State::loading && piece.users == 0; });
        if (piece.file.get() != &file) continue;
        std::erase(expected_, &piece);
        release(piece);
    }
}

// --- buffers -------------------------------------------------------------------------------------

PieceCache::Piece* PieceCache::find(const DirectFile& file, std::uint64_t number) {
    const auto found = std::ranges::find_if(pieces_, [&](const Piece& piece) {
        return piece.file.get() == &file && piece.number == number;
    });
    return found == pieces_.end() ? nullptr : &*found;
}

bool PieceCache::is_free_to_go(const Piece& piece) const {
    switch (piece.state) {
        case State::free:
        case State::failed:
            return true;
        case State::loaded:
            return piece.users == 0 && (piece.consumed || uses_ - piece.last_use > kUsesUntilStale);
        case State::expected:
        case State::loading:
            return false;
    }
    return false;
}

PieceCache::Piece* PieceCache::claim(const DirectFileRef& file, std::uint64_t number) {
    ++uses_;  // also when none is found, so that those who have gone away do not keep them for ever
    Piece* oldest = nullptr;
    for (Piece& piece : pieces_) {
        if (is_free_to_go(piece) && (oldest == nullptr || piece.last_use < oldest->last_use))
            oldest = &piece;
    }
    if (oldest == nullptr) return nullptr;
    release(*oldest);
    if (oldest->memory == nullptr && !give_memory(*oldest)) return nullptr;
    oldest->file = file;
    oldest->number = number;
    return oldest;
}

// A huge page holds two pieces.
bool PieceCache::give_memory(Piece& piece) noexcept try {
    static_assert(2 * kPieceBytes == kHugePageBytes);
    const auto memory = make_huge_memory(kHugePageBytes);
    piece.memory = memory;
    const auto other =
        std::ranges::find_if(pieces_, [](const Piece& one) { return one.memory == nullptr; });
    if (other != pieces_.end()) other->memory = {memory, memory.get() + kPieceBytes};
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

void PieceCache::release(Piece& piece) {
    piece.state = State::free;
    piece.consumed = false;
    piece.file.reset();
    piece.bytes = 0;
}

// --- loading -------------------------------------------------------------------------------------

void PieceCache::load(Piece& piece, Lock& lock) {
    piece.state = State::loading;
    lock.unlock();
    char* const scratch = reinterpret_cast<char*>(piece.memory.get());
    rocksdb::Slice found;
    const auto status = piece.file->file->Read(piece.number * kPieceBytes, kPieceBytes,
                                               rocksdb::IOOptions(), &found, scratch, nullptr);
    CASC_ASSERT(!status.ok() || found.data() == scratch, found.size());
    lock.lock();
    piece.state = status.ok() ? State::loaded : State::failed;
    piece.bytes = status.ok() ? found.size() : 0;
    changed_.notify_all();
}

void PieceCache::run() {
    pthread_setname_np(pthread_self(), "casc-read-ahead");
    Lock lock(mutex_);
    for (;;) {
        expected_any_.wait(lock, [this] { return closing_ || !expected_.empty(); });
        if (closing_) return;
        Piece& piece = *expected_.front();
        expected_.pop_front();
        load(piece, lock);
    }
}

}  // namespace casc::storage
