// config_fuzz.cpp: a configuration file of any content.
//
// It is refused with a sentence, or every setting that comes out can be given back as text and
// means the same again.

#include "fuzz_target.hpp"

#include <casc/broker/config.hpp>

#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace casc;

// A file in memory: load_config() takes a path, and a fuzzer should not wear out a disk.
class MemoryFile {
public:
    MemoryFile() : fd_(::memfd_create("casc.toml", MFD_CLOEXEC)) { CASC_ASSERT(fd_ >= 0, fd_); }
    ~MemoryFile() { ::close(fd_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    void set_content(const std::uint8_t* data, std::size_t size) {
        CASC_ASSERT(::ftruncate(fd_, 0) == 0);
        CASC_ASSERT(::pwrite(fd_, data, size, 0) == static_cast<ssize_t>(size), size);
    }
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

private:
    const int fd_;
};

void check_round_trip(const broker::LoadedConfig& loaded) {
    std::vector<broker::Override> all;
    for (const auto& setting : loaded.settings)
        all.push_back({setting.key, setting.value});
    const auto again = broker::load_config({}, {}, all);
    CASC_ASSERT(again.has_value(), again.error().message());
    CASC_ASSERT(again->settings.size() == loaded.settings.size(), again->settings.size());
    for (std::size_t i = 0; i < loaded.settings.size(); ++i)
        CASC_ASSERT(again->settings[i].value == loaded.settings[i].value, loaded.settings[i].key);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static MemoryFile file;
    file.set_content(data, size);
    const auto loaded = broker::load_config(file.path(), {}, {});
    if (loaded) {
        check_round_trip(*loaded);
    } else {
        CASC_ASSERT(loaded.error().code == ErrorCode::invalid_config,
                    to_string(loaded.error().code));
        CASC_ASSERT(!loaded.error().detail.empty());
    }
    return 0;
}
