#pragma once
// casc/types/fail_point.hpp: named places where the fault tests kill the process.
//
// CASC_FAIL_POINT("journal.submitted") does nothing until the environment says CASC_FAIL_POINT=journal.submitted[:N];
// then the N-th pass (the first without N) kills the process with SIGKILL, as a power cut or the OOM killer would.
// Compiled out with -DCASC_FAIL_POINTS=OFF. Thread: any.

#include <string_view>

namespace casc {

#ifdef CASC_FAIL_POINTS
void fail_point(std::string_view name) noexcept;
#define CASC_FAIL_POINT(name) ::casc::fail_point(name)
#else
#define CASC_FAIL_POINT(name) static_cast<void>(0)
#endif

}  // namespace casc
