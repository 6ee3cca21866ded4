#pragma once
// casc/ring/shared_memory.hpp: memory that two processes have mapped, and that neither can take
// away from under the other.

#include <casc/ring/file_descriptor.hpp>
#include <casc/types/result.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <utility>

namespace casc::ring {

// A file without a name, sealed against shrinking and growing. Without the seals the other process
// could cut the file, and our next look at what was cut off would end this process (SIGBUS).
//
// Thread:   any (a value that moves); what the bytes hold is up to their users.
// Lifetime: the bytes are there until it is destroyed, whatever the other process does.
class SharedMemory {
public:
    static constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

    // Zeroed, and all of it there: a machine that is short of memory refuses now and not at some
    // later write. Fails with overloaded, and says what the operating system said.
    [[nodiscard]] static Result<SharedMemory> create(std::size_t bytes) {
        SharedMemory memory;
        memory.file_.reset(::memfd_create("casc-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!memory.file_) return no_memory("memfd_create");
        const int fd = memory.file_.get();
        if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) return no_memory("ftruncate");
        if (::fallocate(fd, 0, 0, static_cast<off_t>(bytes)) != 0) return no_memory("fallocate");
        if (::fcntl(fd, F_ADD_SEALS, kSeals) != 0) return no_memory("sealing");
        return map(std::move(memory), bytes);
    }

    // What another process has made and passed. Fails with ring_corrupt when it is not a sealed
    // file of exactly that size.
    [[nodiscard]] static Result<SharedMemory> adopt(FileDescriptor file, std::size_t bytes) {
        const int seals = ::fcntl(file.get(), F_GET_SEALS);
        if (seals < 0 || (seals & kSeals) != kSeals)
            return Error(ErrorCode::ring_corrupt, "the memory that was passed is not sealed");
        struct stat info {};
        if (::fstat(file.get(), &info) != 0 || static_cast<std::uint64_t>(info.st_size) != bytes)
            return Error(ErrorCode::ring_corrupt, "the memory that was passed has another size");
        SharedMemory memory;
        memory.file_ = std::move(file);
        return map(std::move(memory), bytes);
    }

    SharedMemory(SharedMemory&& other) noexcept
        : file_(std::move(other.file_)), bytes_(std::exchange(other.bytes_, {})) {}
    SharedMemory& operator=(SharedMemory&& other) noexcept {
        if (this == &other) return *this;
        unmap();
        file_ = std::move(other.file_);
        bytes_ = std::exchange(other.bytes_, {});
        return *this;
    }
    ~SharedMemory() { unmap(); }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
    // To be passed to the other process.
    [[nodiscard]] int fd() const noexcept { return file_.get(); }
    // Once it has been passed only the mapping is needed.
    void close_file() noexcept { file_.reset(); }

private:
    SharedMemory() = default;

    static Result<SharedMemory> map(SharedMemory memory, std::size_t bytes) {
        void* const at =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.file_.get(), 0);
        if (at == MAP_FAILED) return no_memory("mmap");
        memory.bytes_ = {static_cast<std::byte*>(at), bytes};
        return memory;
    }
    static Error no_memory(const char* what) {
        return Error(ErrorCode::overloaded,
                     std::string("shared memory: ") + what + ": " + std::strerror(errno));
    }
    void unmap() noexcept {
        if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
        bytes_ = {};
    }

    FileDescriptor file_;
    std::span<std::byte> bytes_;
};

}  // namespace casc::ring
