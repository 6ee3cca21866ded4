#pragma once
// A flow of control that is switched by hand, so that a test decides when each "thread" takes its
// next step.

#include <functional>
#include <memory>
#include <ucontext.h>

namespace casc::ring::testing {

// Runs one body after the other on its own stack. The body gives control back with pause() and goes
// on at the next resume(). The stack is kept between bodies: an exploration runs hundreds of
// thousands of them.
//
// Thread: all fibers of an exploration and their owner live on one OS thread.
class Fiber {
public:
    Fiber();
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // Sets the next body. The one before must have finished.
    void prepare(std::function<void()> body);
    // Called by the owner: runs the body until it pauses or ends.
    void resume();
    // Called by the body: back to the owner.
    void pause();

    [[nodiscard]] bool finished() const { return !body_; }

private:
    static constexpr std::size_t kStackBytes = 256 * 1024;

    static void enter(unsigned high, unsigned low);
    [[noreturn]] void run_bodies();
    void switch_in();
    void switch_out();

    std::unique_ptr<char[]> stack_;
    std::function<void()> body_;
    ucontext_t owner_context_{};
    ucontext_t context_{};
    // What the sanitizers want to know about stacks that change under them; null without them.
    void* tsan_fiber_ = nullptr;
    void* tsan_owner_ = nullptr;
    const void* owner_stack_ = nullptr;
    std::size_t owner_stack_bytes_ = 0;
};

}  // namespace casc::ring::testing
