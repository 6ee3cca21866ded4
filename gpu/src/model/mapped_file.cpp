#include <casc/gpu/mapped_file.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace casc::gpu {
namespace {

struct Descriptor {
    int number;
    ~Descriptor() {
        if (number >= 0) ::close(number);
    }
};

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const auto refuse = [&](const std::string& why) {
        return Error(ErrorCode::model_unusable, path.string() + ": " + why);
    };
    // Not to wait for who might write into a pipe of that name.
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (file.number < 0) return refuse(std::strerror(errno));
    struct stat what {};
    if (::fstat(file.number, &what) != 0) return refuse(std::strerror(errno));
    if (!S_ISREG(what.st_mode)) return refuse("it is not a file");
    const auto size = static_cast<std::size_t>(what.st_size);
    if (size == 0) return MappedFile({});
    void* const memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.number, 0);
    if (memory == MAP_FAILED) return refuse(std::strerror(errno));
    return MappedFile({static_cast<const std::byte*>(memory), size});
}

MappedFile::~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace casc::gpu
