// casc-admin: wires and runs; everything else is in the files beside this one.

#include "command_line.hpp"

#include <exception>

int main(int argc, char** argv) {
    using namespace casc;
    using namespace casc::admin;
    CommandLine line;
    const ExitCode parsed = line.parse(argc, argv);
    if (parsed != ExitCode::ok || !line.action()) return static_cast<int>(parsed);

    Session session(line.options(), line.format());
    ExitCode code = ExitCode::failed;
    try {
        const Result<ExitCode> done = line.action()(session);
        code = done ? *done : session.out().fail(done.error());
    } catch (const std::exception& e) {
        code = session.out().fail(Error(ErrorCode::internal_error, e.what()));
    }
    if (!session.out().flush())
        return static_cast<int>(
            session.out().fail(Error(ErrorCode::io_failed, "stdout could not be written")));
    return static_cast<int>(code);
}
