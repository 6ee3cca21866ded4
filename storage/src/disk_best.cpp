#include <casc/storage/disk.hpp>

namespace casc::storage {

Result<std::unique_ptr<Disk>> make_best_disk(const std::filesystem::path& directory,
                                             std::string& why) {
    why.clear();
    auto fast = make_uring_disk(directory);
    if (fast || fast.error().code != ErrorCode::not_supported) return fast;
    why = fast.error().detail;
    return make_sync_disk();
}

}  // namespace casc::storage
