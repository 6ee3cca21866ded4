#pragma once
// storage/src/store_format.hpp: the FORMAT file, by which a folder says what it is. Thread: any.

#include <casc/storage/disk.hpp>
#include <casc/types/vocabulary.hpp>

#include <cstdint>
#include <string>

namespace casc::storage {

// "casc data\nversion 2\n", and in a folder that was restored from a backup and not opened since
// "restored 4711\n": its journal is empty on purpose and goes on after that sequence.
struct StoreFormat {
    // 2: slices of compacted topics, and rows for their keys. What is in a folder of version 1
    // means the same in both.
    static constexpr std::uint32_t kVersion = 2;
    static constexpr std::uint32_t kOldestVersion = 1;
    std::uint32_t version = kVersion;
    std::optional<JournalSequence> restored;

    [[nodiscard]] std::string text() const;
    // Fails with data_version when it is a newer one, with data_corrupt when it is not a FORMAT
    // file.
    [[nodiscard]] static Result<StoreFormat> parse(const std::string& text,
                                                   const std::filesystem::path& path);
    // Fails with data_missing as well.
    [[nodiscard]] static Result<StoreFormat> read(Disk& disk, const std::filesystem::path& path);
};

}  // namespace casc::storage
