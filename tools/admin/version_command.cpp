// casc-admin version.

#include "commands.hpp"
#include "listing.hpp"

#include <casc/wire/frame.hpp>

namespace casc::admin {

void add_version_command(Commands& commands) {
    CLI::App* verb = commands.root().add_subcommand("version", "What this program is");
    commands.on(verb, [](Session& session) -> Result<ExitCode> {
        Document document;
        document.add("program", "PROGRAM", "casc-admin");
        document.add("version", "VERSION", CASC_VERSION);
        document.add("protocol_version", "PROTOCOL", wire::kProtocolVersion, Style::count);
        session.out().show(document);
        return ExitCode::ok;
    });
}

}  // namespace casc::admin
