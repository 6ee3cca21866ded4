#pragma once
// Threads of which some can be started and more cannot: for the stacks of two there is room, for no
// third one.

#include "sanitizers.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <fstream>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace casc::gpu {

// A sanitizer needs addresses of its own, without a limit.
inline constexpr bool kIsSanitized = CASC_THREAD_SANITIZER || CASC_ADDRESS_SANITIZER;

// Stacks of 256 MiB while it is there, and addresses for two and a half more than the process has.
class LargeStacks {
public:
    LargeStacks() {
        REQUIRE(pthread_getattr_default_np(&usual_) == 0);
        REQUIRE(getrlimit(RLIMIT_AS, &usual_limit_) == 0);
        set_stack_bytes(kStackBytes);
        rlimit limit = usual_limit_;
        limit.rlim_cur = address_bytes() + 2 * kStackBytes + kStackBytes / 2;
        REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    }
    ~LargeStacks() {
        setrlimit(RLIMIT_AS, &usual_limit_);
        pthread_setattr_default_np(&usual_);
    }
    LargeStacks(const LargeStacks&) = delete;
    LargeStacks& operator=(const LargeStacks&) = delete;

private:
    static constexpr std::size_t kStackBytes = std::size_t{256} << 20;

    static void set_stack_bytes(std::size_t bytes) {
        pthread_attr_t large;
        REQUIRE(pthread_attr_init(&large) == 0);
        REQUIRE(pthread_attr_setstacksize(&large, bytes) == 0);
        REQUIRE(pthread_setattr_default_np(&large) == 0);
        pthread_attr_destroy(&large);
    }
    // Of the process, now: the first number of statm, proc(5), counts pages.
    static std::size_t address_bytes() {
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        REQUIRE(pages > 0);
        return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }

    pthread_attr_t usual_{};
    rlimit usual_limit_{};
};

}  // namespace casc::gpu
