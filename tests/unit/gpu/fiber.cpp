#include "fiber.hpp"

#include "sanitizers.hpp"

#include <casc/types/assert.hpp>

#include <cstdint>

#if CASC_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#elif CASC_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

namespace casc::ring::testing {

Fiber::Fiber() : stack_(std::make_unique<char[]>(kStackBytes)) {
    CASC_ASSERT(::getcontext(&context_) == 0);
    context_.uc_stack.ss_sp = stack_.get();
    context_.uc_stack.ss_size = kStackBytes;
    context_.uc_link = nullptr;
    // makecontext() passes ints only, so the pointer travels in halves.
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    ::makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::enter), 2,
                  static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
#if CASC_THREAD_SANITIZER
    tsan_fiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
    CASC_ASSERT(finished());
#if CASC_THREAD_SANITIZER
    __tsan_destroy_fiber(tsan_fiber_);
#endif
}

void Fiber::prepare(std::function<void()> body) {
    CASC_ASSERT(finished());
    body_ = std::move(body);
}

void Fiber::resume() {
    CASC_ASSERT(!finished());
    switch_in();
}

void Fiber::pause() {
    switch_out();
}

void Fiber::enter(unsigned high, unsigned low) {
    const auto self = static_cast<std::uintptr_t>(high) << 32 | low;
#if CASC_ADDRESS_SANITIZER
    auto* fiber = reinterpret_cast<Fiber*>(self);
    __sanitizer_finish_switch_fiber(nullptr, &fiber->owner_stack_, &fiber->owner_stack_bytes_);
#endif
    reinterpret_cast<Fiber*>(self)->run_bodies();
}

void Fiber::run_bodies() {
    for (;;) {
        body_();
        body_ = nullptr;
        switch_out();
    }
}

void Fiber::switch_in() {
#if CASC_THREAD_SANITIZER
    tsan_owner_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(tsan_fiber_, 0);
#elif CASC_ADDRESS_SANITIZER
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, stack_.get(), kStackBytes);
#endif
    ::swapcontext(&owner_context_, &context_);
#if CASC_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void Fiber::switch_out() {
#if CASC_THREAD_SANITIZER
    __tsan_switch_to_fiber(tsan_owner_, 0);
#elif CASC_ADDRESS_SANITIZER
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, owner_stack_, owner_stack_bytes_);
#endif
    ::swapcontext(&context_, &owner_context_);
#if CASC_ADDRESS_SANITIZER
    __sanitizer_finish_switch_fiber(fake_stack, &owner_stack_, &owner_stack_bytes_);
#endif
}

}  // namespace casc::ring::testing
