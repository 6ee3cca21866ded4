#pragma once
// tests/unit/storage/counting_file.hpp: a file made of nothing that remembers what was read of it.

#include <rocksdb/file_system.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

namespace casc::storage {

// Writes what stands at `offset` of such a file: every eight bytes are others.
inline void count_into(char* bytes, std::uint64_t offset, std::size_t count) {
    for (std::size_t done = 0; done < count;) {
        const std::uint64_t at = offset + done;
        const std::uint64_t word = (at / 8 + 1) * 0x9E37'79B9'7F4A'7C15;
        const std::size_t part = std::min<std::size_t>(8 - at % 8, count - done);
        std::memcpy(bytes + done, reinterpret_cast<const char*>(&word) + at % 8, part);
        done += part;
    }
}

inline bool is_counting(const char* bytes, std::uint64_t offset, std::size_t count) {
    std::array<char, 4096> wanted{};
    for (std::size_t done = 0; done < count;) {
        const std::size_t part = std::min(wanted.size(), count - done);
        count_into(wanted.data(), offset + done, part);
        if (std::memcmp(bytes + done, wanted.data(), part) != 0) return false;
        done += part;
    }
    return true;
}

struct ReadsDone {
    void note(std::uint64_t offset) {
        const std::lock_guard lock(mutex);
        offsets.push_back(offset);
    }
    [[nodiscard]] std::size_t count() const {
        const std::lock_guard lock(mutex);
        return offsets.size();
    }
    mutable std::mutex mutex;
    std::vector<std::uint64_t> offsets;
    std::atomic<bool> failing{false};
    std::atomic<int> open{0};  // files that are
};

// Thread: any.
class CountingFile final : public rocksdb::FSRandomAccessFile {
public:
    CountingFile(std::uint64_t size, ReadsDone& reads) : size_(size), reads_(reads) {
        ++reads_.open;
    }
    ~CountingFile() override { --reads_.open; }

    rocksdb::IOStatus Read(uint64_t offset, size_t bytes, const rocksdb::IOOptions&,
                           rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext*) const override {
        reads_.note(offset);
        if (reads_.failing) return rocksdb::IOStatus::IOError("the test wants it");
        const std::uint64_t end = std::min<std::uint64_t>(size_, offset + bytes);
        const std::size_t there = end > offset ? static_cast<std::size_t>(end - offset) : 0;
        count_into(scratch, offset, there);
        *result = {scratch, there};
        return rocksdb::IOStatus::OK();
    }
    rocksdb::IOStatus Prefetch(uint64_t, size_t, const rocksdb::IOOptions&,
                               rocksdb::IODebugContext*) override {
        return rocksdb::IOStatus::OK();
    }

private:
    const std::uint64_t size_;
    ReadsDone& reads_;
};

}  // namespace casc::storage
