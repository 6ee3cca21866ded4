#pragma once
// ready_file.hpp: tells whoever started the broker that it serves, and where.

#include <casc/types/result.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace casc::broker {

// A file that exists exactly while this broker serves: lines "endpoint ADDRESS", "http ADDRESS",
// "pid NUMBER". Thread: main.
class ReadyFile {
public:
    // Removes a stale file of an earlier run. An empty path: nothing is ever written.
    explicit ReadyFile(std::filesystem::path path);
    ~ReadyFile();
    ReadyFile(const ReadyFile&) = delete;
    ReadyFile& operator=(const ReadyFile&) = delete;

    // Readers see the whole file or none. Fails with io_failed.
    [[nodiscard]] Result<void> write(const std::vector<std::string>& endpoints,
                                     const std::string& http_endpoint);

private:
    std::filesystem::path path_;
};

// Tells systemd (Type=notify): "READY=1", "STOPPING=1". Does nothing when it did not start us.
void notify_service_manager(std::string_view state);

}  // namespace casc::broker
