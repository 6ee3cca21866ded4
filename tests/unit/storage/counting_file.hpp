#pragma once
// tests/unit/storage/counting_file.hpp: a file made of nothing that remembers what was read of it.

#include <rocksdb/file_system.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace casc::storage {

// What stands at `offset` of such a file: never the same for long.
inline char counting_byte(std::uint64_t offset) {
    return static_cast<char>(offset * 31 + (offset >> 8) * 7 + (offset >> 20));
}

inline bool is_counting(const char* bytes, std::uint64_t offset, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (bytes[i] != counting_byte(offset + i)) return false;
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
        for (std::uint64_t at = offset; at < end; ++at)
            scratch[at - offset] = counting_byte(at);
        *result = {scratch, end > offset ? static_cast<std::size_t>(end - offset) : 0};
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
