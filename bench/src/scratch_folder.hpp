#pragma once
// A folder on a real disk for the length of a run.
//
// Thread: one at a time.

#include <filesystem>
#include <string>

namespace casc::bench {

// Made inside the first of these that is there and is not memory: `asked` (which must do), $TMPDIR,
// the current folder. A log on tmpfs is durable in no sense and would make every number a lie;
// throws std::runtime_error then. Lifetime: the folder and all that is in it goes with the object.
class ScratchFolder {
public:
    explicit ScratchFolder(const std::filesystem::path& asked);
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    // "ext4, from --data-dir": which disk it was, without naming the machine's folders.
    [[nodiscard]] const std::string& description() const { return description_; }

private:
    std::filesystem::path path_;
    std::string description_;
};

}  // namespace casc::bench
