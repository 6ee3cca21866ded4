#pragma once
// A peer that is a broker: a server process of its own, and clients that speak its protocol.
//
// Thread: as Contestant.

#include "child_process.hpp"
#include "connection.hpp"
#include "contestant.hpp"
#include "drive.hpp"
#include "roles.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace casc::bench::compare {

class ServerPeer : public Contestant {
public:
    [[nodiscard]] Sample run(const Case& asked) final;

protected:
    // Clients of the server that runs; what terms() has nothing for is not asked for. One writer
    // for each producer of a case.
    [[nodiscard]] virtual std::unique_ptr<Writer> make_writer(const Case& asked) = 0;
    // From the first event on; each `pass` as if nobody had read before.
    [[nodiscard]] virtual std::unique_ptr<Reader> make_reader(const Case& asked,
                                                              std::uint32_t pass) = 0;
    [[nodiscard]] virtual std::unique_ptr<Requester> make_requester(const Case& asked);
    [[nodiscard]] virtual std::unique_ptr<Responder> make_responder(const Case& asked);
    // A client that is connected and greeted, and says nothing more for as long as it lives. Throws
    // when nobody has taught the peer to have some.
    [[nodiscard]] virtual std::shared_ptr<void> connect_idle();
    // By the server's own count, after all was acknowledged.
    [[nodiscard]] virtual std::uint64_t stored_events() = 0;

private:
    [[nodiscard]] std::vector<std::unique_ptr<Writer>> make_writers(const Case& asked);
    [[nodiscard]] Sample run_alone(const Case& asked);
    [[nodiscard]] Sample produce(const Case& asked);
    [[nodiscard]] Sample consume(const Case& asked);
};

// For the configuration of a case with several producers: "; on each of 16 connections".
[[nodiscard]] std::string on_connections(const Case& asked);

// Waits until `is_ready`. Throws with the end of the server's log when it ends instead, or takes
// longer than `patience`.
void wait_until_ready(ChildProcess& server, std::chrono::seconds patience,
                      const std::function<bool()>& is_ready);

}  // namespace casc::bench::compare
