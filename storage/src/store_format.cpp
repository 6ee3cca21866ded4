#include "store_format.hpp"

#include <sstream>

namespace casc::storage {

std::string StoreFormat::text() const {
    std::string text = "casc data\nversion " + std::to_string(version) + "\n";
    if (restored) text += "restored " + std::to_string(restored->value()) + "\n";
    return text;
}

Result<StoreFormat> StoreFormat::parse(const std::string& text, const std::filesystem::path& path) {
    std::istringstream lines(text);
    std::string line;
    std::string word;
    StoreFormat format;
    const Error corrupt(ErrorCode::data_corrupt,
                        "'" + path.string() + "' is not the FORMAT file of a casc data folder");
    if (!std::getline(lines, line) || line != "casc data") return corrupt;
    if (!(lines >> word >> format.version) || word != "version") return corrupt;
    if (format.version < kOldestVersion || format.version > kVersion)
        return Error(ErrorCode::data_version,
                     "'" + path.parent_path().string() + "' has format version " +
                         std::to_string(format.version) + ", this casc reads up to version " +
                         std::to_string(kVersion) +
                         ": start the casc that wrote it, or a newer one");
    std::uint64_t sequence = 0;
    if (lines >> word) {
        if (word != "restored" || !(lines >> sequence)) return corrupt;
        format.restored = JournalSequence(sequence);
    }
    return format;
}

Result<StoreFormat> StoreFormat::read(Disk& disk, const std::filesystem::path& path) {
    CASC_TRY(const auto text, disk.read_file(path));
    return parse(text, path);
}

}  // namespace casc::storage
