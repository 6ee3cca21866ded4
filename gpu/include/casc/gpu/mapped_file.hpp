#pragma once
// casc/gpu/mapped_file.hpp: a file as memory, read from the disk when it is looked at.

#include <casc/types/result.hpp>

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

namespace casc::gpu {

// Thread: any. Who shortens the file meanwhile ends the process (SIGBUS), so files of models are
// replaced by new ones and never written in place.
class MappedFile {
public:
    // Fails with: model_unusable (it cannot be opened, or is no regular file).
    [[nodiscard]] static Result<MappedFile> open(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    MappedFile& operator=(MappedFile&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    explicit MappedFile(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

    std::span<const std::byte> bytes_;
};

}  // namespace casc::gpu
