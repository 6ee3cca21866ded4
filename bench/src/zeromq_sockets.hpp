#pragma once
// Contexts and sockets of ZeroMQ that close themselves.
//
// Thread: a socket belongs to one thread at a time.

#include <stdexcept>
#include <string>
#include <utility>
#include <zmq.h>

namespace casc::bench {

[[noreturn]] inline void fail_in_zeromq(const char* doing) {
    throw std::runtime_error(std::string("ZeroMQ, ") + doing + ": " + zmq_strerror(zmq_errno()));
}

// With an I/O thread of its own.
struct ZeroMqContext {
    void* const raw = zmq_ctx_new();
    ZeroMqContext() = default;
    ZeroMqContext(const ZeroMqContext&) = delete;
    ZeroMqContext& operator=(const ZeroMqContext&) = delete;
    ~ZeroMqContext() { zmq_ctx_term(raw); }
};

class ZeroMqSocket {
public:
    ZeroMqSocket(ZeroMqContext& context, int type) : raw_(zmq_socket(context.raw, type)) {
        if (raw_ == nullptr) fail_in_zeromq("a socket");
        set(ZMQ_LINGER, 0);
    }
    ZeroMqSocket(ZeroMqSocket&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    ZeroMqSocket& operator=(ZeroMqSocket&&) = delete;
    ~ZeroMqSocket() {
        if (raw_ != nullptr) zmq_close(raw_);
    }

    void set(int option, int value) {
        if (zmq_setsockopt(raw_, option, &value, sizeof value) != 0) fail_in_zeromq("an option");
    }
    void subscribe_all() {
        if (zmq_setsockopt(raw_, ZMQ_SUBSCRIBE, "", 0) != 0) fail_in_zeromq("subscribing");
    }
    // The address that it got.
    std::string bind() {
        if (zmq_bind(raw_, "tcp://127.0.0.1:*") != 0) fail_in_zeromq("binding");
        char name[128];
        std::size_t length = sizeof name;
        if (zmq_getsockopt(raw_, ZMQ_LAST_ENDPOINT, name, &length) != 0)
            fail_in_zeromq("its address");
        return name;
    }
    void connect(const std::string& to) {
        if (zmq_connect(raw_, to.c_str()) != 0) fail_in_zeromq("connecting");
    }
    [[nodiscard]] void* raw() const { return raw_; }

private:
    void* raw_;
};

}  // namespace casc::bench
