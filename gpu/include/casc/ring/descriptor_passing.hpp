#pragma once
// casc/ring/descriptor_passing.hpp: bytes on a Unix socket with a descriptor attached to them.

#include <casc/ring/file_descriptor.hpp>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <sys/socket.h>
#include <sys/uio.h>

namespace casc::ring {

// All of `bytes` at once and without waiting, with `fd` attached. False: the socket did not take
// it, and errno says why.
[[nodiscard]] inline bool send_with_descriptor(int socket, std::span<const std::byte> bytes,
                                               int fd) noexcept {
    iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::byte control[CMSG_SPACE(sizeof fd)]{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    const ssize_t sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(bytes.size());
}

// What has come, without waiting: how many bytes, 0 at the end of the stream, -1 with errno. The
// first descriptor that was attached goes to `passed`, others are closed.
[[nodiscard]] inline ssize_t receive_with_descriptor(int socket, std::span<std::byte> bytes,
                                                     FileDescriptor& passed) noexcept {
    constexpr std::size_t kDescriptorsMax = 4;
    iovec piece{bytes.data(), bytes.size()};
    alignas(cmsghdr) std::byte control[CMSG_SPACE(kDescriptorsMax * sizeof(int))];
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t received = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (received < 0) return received;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            FileDescriptor one(fd);
            if (!passed) passed = std::move(one);
        }
    }
    return received;
}

}  // namespace casc::ring
