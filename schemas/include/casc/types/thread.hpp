#pragma once
// casc/types/thread.hpp: how the scheduler should treat the calling thread. Wishes: where the
// kernel knows no such thing, nothing happens. Neither needs a privilege.
//
// Thread: any, for itself.

namespace casc {

// Work that others wait for, done in short pieces: when the thread wakes up it preempts longer
// running ones. By a scheduling slice of 100 us instead of 3 ms, which Linux has from 6.12 on
// (sched(7), sched_attr::sched_runtime); it takes no share of the processor from anybody.
void run_promptly() noexcept;

// Work in the background: the thread has what others leave, and little of what they want too.
void run_in_the_background() noexcept;

}  // namespace casc
