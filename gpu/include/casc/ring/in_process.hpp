#pragma once
// casc/ring/in_process.hpp: who listens in this very process, by name. A broker that runs beside
// its client is connected to without an address: each gets one end of a pair of sockets, and from
// there on it is the same as between processes, shared memory included.

#include <casc/ring/file_descriptor.hpp>
#include <casc/types/result.hpp>

#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace casc::ring {

// Thread:   any.
// Lifetime: nobody calls `accept` any more once it is destroyed.
class InProcessListener {
public:
    // Gets the listener's end of a new connection, on the connecting thread.
    using Accept = std::function<void(FileDescriptor)>;

    // Fails with invalid_config when the name is taken.
    [[nodiscard]] static Result<std::unique_ptr<InProcessListener>> bind(const std::string& name,
                                                                         Accept accept) {
        const std::lock_guard lock(mutex());
        if (!listeners().emplace(name, std::move(accept)).second)
            return Error(ErrorCode::invalid_config,
                         "inproc://" + name + " is taken by another broker of this process");
        return std::unique_ptr<InProcessListener>(new InProcessListener(name));
    }
    ~InProcessListener() {
        const std::lock_guard lock(mutex());
        listeners().erase(name_);
    }
    InProcessListener(const InProcessListener&) = delete;
    InProcessListener& operator=(const InProcessListener&) = delete;

    // The client's end of a new connection. Fails with connection_error when nobody listens.
    [[nodiscard]] static Result<FileDescriptor> connect(const std::string& name) {
        const std::lock_guard lock(mutex());
        const auto found = listeners().find(name);
        if (found == listeners().end())
            return Error(ErrorCode::connection_error,
                         "inproc://" + name + ": no broker of this process listens there");
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
            return Error(ErrorCode::connection_error,
                         "inproc://" + name + ": socketpair: " + std::strerror(errno));
        FileDescriptor ours(ends[0]);
        found->second(FileDescriptor(ends[1]));
        return ours;
    }

private:
    explicit InProcessListener(std::string name) : name_(std::move(name)) {}

    // Leaf: only posts to a loop while it is held.
    static std::mutex& mutex() {
        static std::mutex one;
        return one;
    }
    static std::map<std::string, Accept>& listeners() {
        static std::map<std::string, Accept> all;
        return all;
    }

    const std::string name_;
};

}  // namespace casc::ring
