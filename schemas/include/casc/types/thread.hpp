#pragma once
// casc/types/thread.hpp: how the scheduler should treat a thread. Wishes: where the kernel knows no
// such thing, nothing happens.

#include <casc/types/clock.hpp>

namespace casc {

// For the calling thread: work that others wait for, done in short pieces; when the thread wakes up
// it preempts longer running ones. By a scheduling slice of 100 us instead of 3 ms, which Linux has
// from 6.12 on (sched(7), sched_attr::sched_runtime); it takes no share of the processor from
// anybody and needs no privilege.
void run_promptly() noexcept;

// For the calling thread: its I/O is best effort, of the lowest priority. Not idle: that may wait
// for ten seconds behind the I/O of others, and who needs a block that it writes (the inodes of two
// files share one) waits with it.
void use_lowest_io_priority() noexcept;

// A thread whose work nobody waits for, until it falls behind. In the background it is SCHED_IDLE
// (sched(7)): it has what others leave, and whoever wakes up preempts it. At nice 19 it would not
// be. Its I/O has the lowest priority, too. But beside busy processes an idle thread hardly runs at
// all, so it must be hurried while its work is wanted.
//
// To come back from SCHED_IDLE needs CAP_SYS_NICE or a RLIMIT_NICE of 20 (systemd: LimitNICE=+0).
// Without it the thread is at nice 19 instead, for good.
//
// Lifetime: hurry() when begin() has returned, while that thread lives; before, it does nothing.
class BackgroundPriority {
public:
    // Thread: the one that works.
    void begin();
    // From now on it runs like any other thread, or in the background again. A system call when
    // that changes something. Thread: one other.
    void hurry(bool hurried) noexcept;

private:
    int thread_ = 0;  // that can be hurried; 0: none
    bool hurried_ = false;
};

// For the loops of a thread in the background: gives way to whoever is ready to run, every 30 us.
// Even an idle thread takes the processor from a busy one when the scheduler owes it a little time,
// and then keeps it until somebody wakes up there or the next tick, which may be 4 ms away.
//
// Thread: one at a time.
class Breather {
public:
    void breathe() noexcept;

private:
    MonoNanos last_;
};

}  // namespace casc
