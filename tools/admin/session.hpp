#pragma once
// tools/admin/session.hpp: what every command has at hand: the global options, the output, and a
// connection that is made when it is first needed.
//
//   CASC_TRY(const auto reply, session.call(fb::ListTopicsT{}));
//   session.out().show(listing);
//
// Thread: one at a time.

#include "output.hpp"

#include <casc/client/call.hpp>
#include <casc/types/result.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace casc::admin {

using std::chrono::milliseconds;
namespace fb = wire::fb;

// As given on the command line; what is missing is looked up in the environment, then in the
// context.
struct GlobalOptions {
    std::vector<std::string> endpoints;
    std::string context;
    std::string output;
    std::optional<milliseconds> timeout;
    bool quiet = false;
    bool yes = false;
    bool no_input = false;
};

// What a connection is made with, and why.
struct Connection {
    std::vector<std::string> endpoints;
    milliseconds timeout;
    std::string origin;  // "flag", "environment", "context 'x'", "default"
};

class Session {
public:
    Session(GlobalOptions options, Format format);

    [[nodiscard]] Output& out() noexcept { return out_; }
    [[nodiscard]] const GlobalOptions& options() const noexcept { return options_; }

    // Fails with: invalid_config (no such context, nonsense in the environment).
    [[nodiscard]] Result<Connection> connection() const;

    // Connects with the first call. Fails as Client::connect does, naming the endpoints.
    [[nodiscard]] Result<client::Client*> client();

    // One request, answered within `deadline` (default: the timeout of the connection).
    template <class Request>
    [[nodiscard]] Result<typename wire::Rpc<Request>::ReplyMessage> call(
        const Request& request, std::optional<milliseconds> deadline = {}) {
        CASC_TRY(client::Client* const connected, client());
        return connected->call(request, deadline);
    }

    // Before something is destroyed: --yes, or on a terminal the name typed by a person. `what` is
    // the rest of "this ...". Fails with: invalid_request (nobody there to ask), cancelled.
    [[nodiscard]] Result<void> confirm(std::string_view what, std::string_view name);

private:
    const GlobalOptions options_;
    Output out_;
    std::unique_ptr<client::Client> client_;
};

// What a verb does once the command line has been read.
using Action = std::function<Result<ExitCode>(Session&)>;

}  // namespace casc::admin
