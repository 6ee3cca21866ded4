#pragma once
// tools/admin/exit_code.hpp: what the exit status of casc-admin says, and what to do about an
// error.

#include <casc/types/error.hpp>

#include <string>

namespace casc::admin {

// Documented in docs/admin.md; scripts depend on the numbers. `check` has its own, those of Nagios.
enum class ExitCode : int {
    ok = 0,
    failed = 1,
    usage = 2,        // the command line, or the request that it makes, is wrong
    unreachable = 3,  // no connection, or no answer in time
    denied = 4,
    not_found = 5,
    conflict = 6,
    partial = 7,  // some of several things were done
};

[[nodiscard]] ExitCode exit_code_for(ErrorCode code) noexcept;

// What the reader may do next, in one sentence; empty when there is nothing general to say.
[[nodiscard]] std::string hint_for(const Error& error);

}  // namespace casc::admin
