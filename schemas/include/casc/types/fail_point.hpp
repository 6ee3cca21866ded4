#pragma once
// casc/types/fail_point.hpp: named places where the fault tests kill the process, and named bugs
// that they let loose.
//
// CASC_FAIL_POINT("journal.submitted") does nothing until the environment says
// CASC_FAIL_POINT=journal.submitted[:N]; then the N-th pass (the first without N) kills the process
// with SIGKILL, as a power cut or the OOM killer would.
//
// `if (seeded_bug("ack_before_submit"))` is false until the environment says
// CASC_SEEDED_BUG=ack_before_submit. Behind it stands what the tests must never let pass: a checker
// that does not find the bug when it is there proves nothing when it is not.
// tests/fault/seeded_bugs_test.cpp, tests/sim/seeded_bugs_test.cpp, and the history tests of
// tests/integration.
//
// Compiled out with -DCASC_FAIL_POINTS=OFF. Thread: any.

#include <string_view>

namespace casc {

#ifdef CASC_FAIL_POINTS
void fail_point(std::string_view name) noexcept;
#define CASC_FAIL_POINT(name) ::casc::fail_point(name)
[[nodiscard]] bool seeded_bug(std::string_view name) noexcept;
// Instead of what the environment says; empty: none. While no other thread asks.
void seed_bug(std::string_view name);
#else
#define CASC_FAIL_POINT(name) static_cast<void>(0)
[[nodiscard]] constexpr bool seeded_bug(std::string_view) noexcept {
    return false;
}
#endif

}  // namespace casc
