// How blocks run: each of their threads has a stack of its own and runs until it waits for the
// others. Switching is longjmp's, which asks the system for nothing.
#include "state.hpp"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ucontext.h>
#include <vector>

namespace emulated_cuda {
namespace {

constexpr std::size_t kStackBytes = 64 << 10;
constexpr unsigned kWarp = 32;
constexpr std::size_t kCopyBytes = 16;

struct Copy {
    void* to;
    const void* from;
    unsigned group;
};

struct Fiber {
    std::unique_ptr<char[]> stack{new char[kStackBytes]};
    std::jmp_buf at;
    bool is_made = false;
    bool has_ended = false;
    std::uint64_t exchanges = 0;
    std::uint64_t said[2] = {};  // one exchange may still be read while the next is said
    void* brought = nullptr;
    std::vector<Copy> copies;  // begun, the oldest first
    unsigned copy_groups = 0;  // ended
};

// Where some threads wait for each other: those who have ended are not waited for.
struct Barrier {
    unsigned members = 0;
    unsigned arrived = 0;
    std::uint64_t generation = 0;

    void open_if_all() {
        if (arrived < members) return;
        arrived = 0;
        ++generation;
    }
    void leave() {
        --members;
        if (arrived > 0) open_if_all();
    }
};

struct Block {
    std::vector<Fiber> fibers;
    Barrier all;
    std::vector<Barrier> warps;
    unsigned count = 0;  // of this block
    unsigned running = 0;
    std::jmp_buf scheduler;
    const Work* kernel = nullptr;
    dim3 size;

    void run(const Work& work);
    void give_way() {
        if (_setjmp(fibers[running].at) == 0) std::longjmp(scheduler, 1);
    }
    void wait(Barrier& barrier) {
        const std::uint64_t generation = barrier.generation;
        ++barrier.arrived;
        barrier.open_if_all();
        while (barrier.generation == generation)
            give_way();
    }
    [[nodiscard]] Barrier& warp_of_running() { return warps[running / kWarp]; }
    void place_of(unsigned thread) const {
        place.thread = dim3(thread % size.x, thread / size.x % size.y, thread / (size.x * size.y));
    }
};

thread_local Block block;

// A thread of one block after the other: making a stack asks the system, going on does not.
void enter() {
    for (;;) {
        (*block.kernel)();
        if (!block.fibers[block.running].copies.empty()) {
            std::fprintf(stderr, "emulated CUDA: a thread ends without waiting for its copies\n");
            std::abort();
        }
        block.fibers[block.running].has_ended = true;
        block.all.leave();
        block.warp_of_running().leave();
        block.give_way();
    }
}

[[noreturn]] void go_on(Fiber& fiber) {
    if (fiber.is_made) std::longjmp(fiber.at, 1);
    fiber.is_made = true;
    ucontext_t context;
    ::getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack.get();
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    ::makecontext(&context, enter, 0);
    ::setcontext(&context);
    std::abort();  // there is no such stack
}

// Until it gives way or has ended. Keeps nothing across setjmp.
void resume(unsigned thread) {
    block.running = thread;
    block.place_of(thread);
    if (_setjmp(block.scheduler) == 0) go_on(block.fibers[thread]);
}

void Block::run(const Work& work) {
    kernel = &work;
    all = {.members = count};
    warps.assign((count + kWarp - 1) / kWarp, {});
    for (unsigned i = 0; i < count; ++i) {
        ++warps[i / kWarp].members;
        fibers[i].has_ended = false;
        fibers[i].exchanges = 0;
    }
    for (bool some_left = true; some_left;) {
        some_left = false;
        for (unsigned i = 0; i < count; ++i) {
            if (fibers[i].has_ended) continue;
            resume(i);
            some_left = some_left || !fibers[i].has_ended;
        }
    }
}

}  // namespace

thread_local Place place;

void wait_for_block() {
    block.wait(block.all);
}

void wait_for_warp() {
    block.wait(block.warp_of_running());
}

std::uint64_t exchange(std::uint64_t said, unsigned lane) {
    const unsigned first = block.running / kWarp * kWarp;
    const std::size_t which = block.fibers[block.running].exchanges++ % 2;
    block.fibers[block.running].said[which] = said;
    wait_for_warp();
    if (lane >= kWarp || first + lane >= block.count) {
        std::fprintf(stderr, "emulated CUDA: lane %u of a warp that has not so many\n", lane);
        std::abort();
    }
    return block.fibers[first + lane].said[which];
}

void do_as_warp(void* brought, WarpWork* work) {
    const unsigned first = block.running / kWarp * kWarp;
    Barrier& warp = block.warp_of_running();
    block.fibers[block.running].brought = brought;
    if (warp.arrived + 1 == warp.members) {
        if (warp.members != kWarp) {
            std::fprintf(stderr, "emulated CUDA: %u threads do what 32 do\n", warp.members);
            std::abort();
        }
        void* all[kWarp];
        for (unsigned lane = 0; lane < kWarp; ++lane)
            all[lane] = block.fibers[first + lane].brought;
        work(all);
    }
    block.wait(warp);
}

void begin_copy(void* to, const void* from) {
    check_alignment(to, kCopyBytes);
    check_alignment(from, kCopyBytes);
    Fiber& fiber = block.fibers[block.running];
    std::memset(to, 0xFF, kCopyBytes);
    fiber.copies.push_back({to, from, fiber.copy_groups});
}
void end_copies() {
    ++block.fibers[block.running].copy_groups;
}
void wait_for_copies(unsigned pending_groups) {
    Fiber& fiber = block.fibers[block.running];
    const auto is_left = [&](const Copy& copy) {
        return copy.group + pending_groups >= fiber.copy_groups;
    };
    const auto left = std::ranges::find_if(fiber.copies, is_left);
    for (auto copy = fiber.copies.begin(); copy != left; ++copy)
        std::memcpy(copy->to, copy->from, kCopyBytes);
    fiber.copies.erase(fiber.copies.begin(), left);
}

void check_alignment(const void* at, std::size_t bytes) {
    if (reinterpret_cast<std::uintptr_t>(at) % bytes == 0) return;
    std::fprintf(stderr, "emulated CUDA: %p is not aligned to %zu bytes\n", at, bytes);
    std::abort();
}

void run_blocks(dim3 blocks, dim3 threads, const std::function<void()>& kernel) {
    ++device().counts.launches;
    const bool is_launchable = blocks.x > 0 && blocks.y > 0 && blocks.z > 0 && blocks.y <= 65'535 &&
                               blocks.z <= 65'535 && threads.x * threads.y * threads.z <= 1024;
    if (!is_launchable) {
        std::fprintf(stderr, "emulated CUDA: %u x %u x %u blocks of %u threads\n", blocks.x,
                     blocks.y, blocks.z, threads.x);
        std::abort();
    }
    block.size = threads;
    block.count = threads.x * threads.y * threads.z;
    if (block.fibers.size() < block.count) block.fibers.resize(block.count);
    place.block_size = threads;
    place.grid_size = blocks;
    for (unsigned z = 0; z < blocks.z; ++z)
        for (unsigned y = 0; y < blocks.y; ++y)
            for (unsigned x = 0; x < blocks.x; ++x) {
                place.block = dim3(x, y, z);
                block.run(kernel);
            }
}

}  // namespace emulated_cuda
