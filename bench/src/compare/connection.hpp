#pragma once
// A blocking TCP connection to a server on this machine, with what has been received and not been
// used yet.
//
// Thread: one at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace casc::bench::compare {

// A port that nobody listens on now. Somebody else may take it before it is used; the kernel hands
// out others first.
[[nodiscard]] std::uint16_t free_port();
[[nodiscard]] bool is_listening(std::uint16_t port);

class Connection {
public:
    explicit Connection(std::uint16_t port);  // of 127.0.0.1
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void send(std::string_view bytes);

    // Valid until more is received.
    [[nodiscard]] std::string_view unread() const {
        return {memory_.get() + begin_, end_ - begin_};
    }
    void consume(std::size_t bytes) { begin_ += bytes; }
    // Waits for more, for about kTickMs at most. False: nothing came. Throws when the other end has
    // closed.
    bool receive();
    // Takes what is there already.
    bool receive_available();
    // Waits until there is more, and throws when nothing comes for a long time.
    void need_more(const char* doing);

    static constexpr int kTickMs = 50;
    // Nobody who works takes longer than so many ticks to answer.
    static constexpr int kPatienceTicks = 30'000 / kTickMs;

private:
    bool receive(int flags);
    void make_room(std::size_t bytes);

    int socket_ = -1;
    // Not touched before something comes: ten thousand idle ones would take gigabytes.
    std::unique_ptr<char[]> memory_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// Receives until `count` of what has come is more than 0, and returns it. Throws
// std::runtime_error(complaint) when nothing of the kind comes.
template <class AnyConnection, class Count>
std::uint64_t wait_for_any(AnyConnection& connection, const Count& count, const char* complaint) {
    for (int tick = 0; tick < Connection::kPatienceTicks; ++tick) {
        if (!connection.receive()) continue;
        if (const std::uint64_t counted = count(); counted > 0) return counted;
    }
    throw std::runtime_error(complaint);
}

}  // namespace casc::bench::compare
