#pragma once
// tools/admin/interrupt.hpp: Ctrl-C as a request to come to an end. A second one ends the process.
// Thread: any; the handler is the process's.

namespace casc::admin {

// From here on SIGINT and SIGTERM set a flag, once; for commands that run until told otherwise.
void watch_for_interrupt();
[[nodiscard]] bool interrupted() noexcept;

}  // namespace casc::admin
