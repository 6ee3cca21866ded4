#pragma once
// A golden file: bytes as a hexdump, a line "---", and what a reader must find in them, as text.
//
//   00000000  58 00 00 00 ca 01 01 00  15 00 00 00 4d 00 00 00
//   ---
//   frame: request, api 21, ...
//
// The files of a released version are never changed: they must decode for ever.

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace casc::golden {

using Bytes = std::vector<std::byte>;

struct File {
    Bytes bytes;
    std::string text;
};

// Where the files of protocol version 1 are.
[[nodiscard]] std::filesystem::path folder();

// Every golden file there is, by name.
[[nodiscard]] std::vector<std::filesystem::path> all_files();

[[nodiscard]] File read_file(const std::filesystem::path& path);

// Writes a new file; one that is there already is left as it is, and false returned.
bool write_new_file(const std::filesystem::path& path, const File& file);

// 16 bytes per line, each line with its position.
[[nodiscard]] std::string hexdump(std::span<const std::byte> bytes);
// The bytes of the lines that hexdump() wrote. Throws std::runtime_error at what is no hexdump.
[[nodiscard]] Bytes from_hexdump(const std::string& lines);

// Set CASC_GOLDEN_WRITE=1 to write the samples that have no file yet.
[[nodiscard]] bool writing_is_asked_for();

}  // namespace casc::golden
