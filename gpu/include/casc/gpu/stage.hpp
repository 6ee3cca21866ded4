#pragma once
// casc/gpu/stage.hpp: a model with a thread of its own, and rings to and from it.
//
//   auto waker = std::make_shared<ring::Waker>();                  // of the thread that reads
//   Stage stage(std::move(engine), {.producer_count = 2}, waker);
//   StageLinks links = stage.take_links();
//   producer:  links.commands[0].try_push(std::move(request));     // false: full, keep it
//   reader:    links.outputs.drain(use);                           // pieces of text, answers
//   the end:   stage.close(Unfinished::answered); producers close their rings; the reader reads
//              until its ring is closed
//
// Every request that was pushed has its answer in the ring of outputs, also when the stage closes.
// When that ring is full the stage computes nothing and takes nothing from its own rings until
// there is room: those fill, and whoever pushes sees it. No side ever waits for the other with
// something in its hands, so two full rings are no deadlock as long as the reader reads.
//
// Ids are the stage's and not a producer's: no two requests under way may have the same one,
// whoever pushed them. The second is refused, with an answer that has the first one's id, too.

#include <casc/gpu/engine.hpp>
#include <casc/gpu/generation.hpp>
#include <casc/ring/brief_wait.hpp>
#include <casc/ring/ring.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <variant>
#include <vector>

namespace casc::gpu {

// For a request that the same producer has pushed before, or it may come first; of one that is not
// under way (any more) it means nothing.
struct CancelRequest {
    RequestId id = 0;
};
using StageCommand = std::variant<GenerateRequest, CancelRequest>;

struct StageOptions {
    std::size_t producer_count = 1;
    std::size_t command_capacity = 1024;  // of each producer's ring
    std::size_t output_capacity = 4096;
};

// One ring to the stage for each thread that has requests, and one back.
struct StageLinks {
    std::vector<ring::RingProducer<StageCommand>> commands;
    ring::RingConsumer<EngineOutput> outputs;
};

// What becomes of requests that are under way when the stage is closed.
enum class Unfinished : std::uint8_t {
    answered,    // they are computed to their end
    handed_back  // they have SHUTTING_DOWN at once, and what there is of their texts
};

enum class StageState : std::uint8_t {
    open,
    draining,  // what is under way is answered, what comes is refused with SHUTTING_DOWN
    closed     // all is answered, and every producer has closed its ring
};

// Thread:   made, closed and destroyed by one thread; state() and has_failed() any; the links' ends
// each by one.
//           Starts a thread (casc-inference) that owns the engine.
// Lifetime: the links may outlive it.
class Stage {
public:
    // `reader` is the waker of the thread that reads the outputs. Throws std::system_error when
    // there is no thread or no descriptor to be had.
    Stage(std::unique_ptr<Engine> engine, const StageOptions& options,
          std::shared_ptr<ring::Waker> reader);
    // Ends the thread after the step it is at, whether the links live on or not. What was not
    // answered by then never is, so that a thread that has requests under way closes the stage
    // first and reads to the end.
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    // Once.
    [[nodiscard]] StageLinks take_links() {
        return {std::move(producers_), std::move(outputs_.consumer)};
    }
    // Begins to drain and returns at once; what the same thread has pushed before is under way. May
    // be called again, to hand back what was still to be answered. The stage also closes by itself
    // when all producers have closed their rings and all is answered.
    void close(Unfinished unfinished) noexcept;
    [[nodiscard]] StageState state() const noexcept;
    // Of the engine. May be read by any thread, and outlives the stage.
    [[nodiscard]] std::shared_ptr<const EngineMetrics> metrics() const noexcept {
        return engine_->metrics();
    }
    // The device has failed so often that the engine has given it up: everything is refused with
    // device_failed. Known to whoever reads the first of these answers.
    [[nodiscard]] bool has_failed() const noexcept {
        return has_failed_.load(std::memory_order_acquire);
    }

private:
    enum class Order : std::uint8_t { work, drain, hand_back, halt };  // only ever grows

    void give_order(Order order) noexcept;
    void run();
    // False: to halt.
    [[nodiscard]] bool obey(Order order);
    // True: nothing is left to hand out.
    bool hand_out();
    std::size_t take_commands();
    void take_waiting_commands();
    std::size_t take_from(ring::RingConsumer<StageCommand>& commands, MonoNanos now);
    void take(StageCommand&& command, MonoNanos now);
    bool compute();
    [[nodiscard]] bool has_news();
    [[nodiscard]] bool wait_briefly(MonoNanos until);
    void sleep_until_news();
    void sleep_until_room();

    // Fixed after construction.
    const std::shared_ptr<ring::Waker> waker_ = std::make_shared<ring::Waker>();
    const std::unique_ptr<Engine> engine_;
    // Their other ends are the links, kept here until they are taken.
    ring::Ring<EngineOutput> outputs_;
    std::vector<ring::RingProducer<StageCommand>> producers_;
    // Owned by the stage's thread, as are the engine and the end of the outputs that writes.
    std::vector<ring::RingConsumer<StageCommand>> commands_;  // whose producers have not closed
    std::vector<EngineOutput> outbox_;                        // out of the engine
    std::size_t outbox_sent_ = 0;
    std::size_t turn_ = 0;               // of taking commands
    std::size_t prompt_bytes_left_ = 0;  // in this turn
    Order obeyed_ = Order::work;
    ring::BriefWait brief_wait_;
    // Written by the owner, read by the stage's thread: seq_cst, so that it is among what the
    // waker's argument covers.
    std::atomic<Order> order_{Order::work};
    // Written by the stage's thread (release), read by any (acquire).
    std::atomic<bool> has_ended_{false};
    std::atomic<bool> has_failed_{false};
    // Last: it uses all of the above.
    std::thread thread_;
};

}  // namespace casc::gpu
