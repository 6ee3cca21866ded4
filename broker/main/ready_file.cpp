#include "ready_file.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace casc::broker {

ReadyFile::ReadyFile(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

ReadyFile::~ReadyFile() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

Result<void> ReadyFile::write(const std::vector<std::string>& endpoints,
                              const std::string& http_endpoint) {
    if (path_.empty()) return {};
    std::filesystem::path unfinished = path_;
    unfinished += ".tmp";
    std::ofstream out(unfinished, std::ios::trunc);
    for (const std::string& endpoint : endpoints)
        out << "endpoint " << endpoint << '\n';
    if (!http_endpoint.empty()) out << "http " << http_endpoint << '\n';
    out << "pid " << ::getpid() << '\n';
    out.close();
    std::error_code error;
    if (out) std::filesystem::rename(unfinished, path_, error);
    if (!out || error)
        return Error(ErrorCode::io_failed, "cannot write the ready file " + path_.string());
    return {};
}

void notify_service_manager(std::string_view state) {
    const char* path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path == nullptr || path[0] == '\0' || std::strlen(path) >= sizeof address.sun_path) return;
    const std::size_t length = std::strlen(path);
    std::memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract namespace
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    const auto address_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
    // Nobody to tell when this fails: the service manager will notice by its own timeout.
    [[maybe_unused]] const ssize_t sent =
        ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), address_bytes);
    ::close(fd);
}

}  // namespace casc::broker
