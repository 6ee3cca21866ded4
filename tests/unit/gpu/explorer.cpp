#include "explorer.hpp"

#include <casc/types/assert.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>

namespace casc::ring::testing {
namespace detail {
namespace {

constexpr std::size_t kStepsMax =
    300;  // the programs take less than 60 steps; one that takes more spins

// What a thread, or its store buffer, would do next.
struct Action {
    std::size_t thread = 0;
    bool flush = false;  // the oldest buffered store reaches memory
    Op op = Op::load;
    Location* location = nullptr;

    [[nodiscard]] bool same_actor(const Action& other) const {
        return thread == other.thread && flush == other.flush;
    }
    [[nodiscard]] bool reads_only() const { return op == Op::load || op == Op::sleep; }
    // A buffered store touches only the thread's own buffer until it is flushed.
    [[nodiscard]] bool touches_memory() const { return flush || op != Op::buffered_store; }
    [[nodiscard]] bool independent_of(const Action& other) const {
        if (thread == other.thread) return false;
        if (!touches_memory() || !other.touches_memory()) return true;
        return location != other.location || (reads_only() && other.reads_only());
    }
    [[nodiscard]] std::string describe() const {
        constexpr std::array<const char*, 7> names{
            "load", "store", "store (buffered)", "exchange", "signal", "consume", "sleep"};
        return std::to_string(thread) +
               (flush ? ": flush" : std::string(": ") + names[static_cast<std::size_t>(op)]);
    }
};

// A point of a run at which there was a choice.
struct Node {
    std::vector<Action> choices;
    std::size_t chosen = 0;
};

class Scheduler {
public:
    explicit Scheduler(Memory memory) : memory_(memory) {}

    Exploration explore_all(const std::function<std::unique_ptr<Program>()>& make);

    // The running thread's side.
    void take_turn(Op op, Location& location);
    [[nodiscard]] std::uint64_t read(const Location& location) const;
    void write(Op op, Location& location, std::uint64_t value);
    [[nodiscard]] Memory memory() const { return memory_; }
    void forget(const Location& location);

private:
    struct Store {
        Location* location;
        std::uint64_t value;
    };
    struct Thread {
        Fiber fiber;
        std::optional<Action> pending;  // what it waits to be allowed to do
        std::deque<Store> buffer;
    };
    enum class RunEnd { complete, stuck, endless, repeated };

    RunEnd run(Program& program);
    [[nodiscard]] std::vector<Action> enabled() const;
    [[nodiscard]] bool may_run(const Thread& thread) const;
    [[nodiscard]] bool all_finished() const;
    std::optional<Action> choose(const std::vector<Action>& actions, std::size_t depth,
                                 std::vector<Action>& asleep);
    void perform(const Action& action);
    void finish_anyhow();
    bool next_order();

    const Memory memory_;
    std::vector<std::unique_ptr<Thread>> threads_;
    std::optional<std::size_t> running_;
    bool winding_up_ = false;  // the run's outcome is known; everybody just ends
    std::vector<Node> path_;
    std::string trace_;
};

Scheduler* active = nullptr;

Exploration Scheduler::explore_all(const std::function<std::unique_ptr<Program>()>& make) {
    active = this;
    Exploration result;
    do {
        const auto program = make();
        trace_.clear();
        const RunEnd end = run(*program);
        if (end == RunEnd::repeated) continue;
        ++result.runs;
        const bool wrong = end == RunEnd::complete && !program->correct();
        result.stuck += end == RunEnd::stuck ? 1 : 0;
        result.wrong += wrong ? 1 : 0;
        result.endless = end == RunEnd::endless;
        if (!result.clean() && result.first_failure.empty()) result.first_failure = trace_;
    } while (!result.endless && next_order());
    active = nullptr;
    return result;
}

Scheduler::RunEnd Scheduler::run(Program& program) {
    const auto bodies = program.bodies();
    while (threads_.size() < bodies.size())
        threads_.push_back(std::make_unique<Thread>());
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        threads_[i]->fiber.prepare(bodies[i]);
        running_ = i;
        threads_[i]->fiber.resume();  // up to its first operation, which it does not do yet
        running_.reset();
    }
    RunEnd end = RunEnd::complete;
    std::vector<Action> asleep;
    for (std::size_t depth = 0;; ++depth) {
        if (depth == kStepsMax) {
            end = RunEnd::endless;
            break;
        }
        const auto actions = enabled();
        if (actions.empty()) {
            end = all_finished() ? RunEnd::complete : RunEnd::stuck;
            break;
        }
        const auto action = choose(actions, depth, asleep);
        if (!action) {
            end = RunEnd::repeated;
            break;
        }
        trace_ += action->describe() + "; ";
        perform(*action);
    }
    finish_anyhow();
    return end;
}

std::vector<Action> Scheduler::enabled() const {
    std::vector<Action> actions;
    for (std::size_t i = 0; i < threads_.size(); ++i) {
        const Thread& thread = *threads_[i];
        if (may_run(thread)) actions.push_back(*thread.pending);
        if (!thread.buffer.empty())
            actions.push_back({i, true, Op::store, thread.buffer.front().location});
    }
    return actions;
}

bool Scheduler::may_run(const Thread& thread) const {
    if (!thread.pending) return false;
    switch (thread.pending->op) {
        case Op::load:
        case Op::buffered_store:
            return true;
        case Op::sleep:
            return thread.pending->location->value != 0;
        // The others are locked instructions or system calls: the thread's own stores come first.
        case Op::store:
        case Op::exchange:
        case Op::signal:
        case Op::consume:
            return thread.buffer.empty();
    }
    return false;
}

bool Scheduler::all_finished() const {
    return std::ranges::all_of(threads_,
                               [](const auto& thread) { return thread->fiber.finished(); });
}

// Takes the choice of this depth, or makes the first one of a new depth. `asleep`, carried along
// the run, are the actors whose turn now would repeat an order that was run already; nothing is
// returned when only they are left.
std::optional<Action> Scheduler::choose(const std::vector<Action>& actions, std::size_t depth,
                                        std::vector<Action>& asleep) {
    if (depth == path_.size()) {
        Node node;
        std::ranges::copy_if(actions, std::back_inserter(node.choices), [&](const Action& action) {
            return std::ranges::none_of(asleep,
                                        [&](const Action& a) { return a.same_actor(action); });
        });
        if (node.choices.empty()) return std::nullopt;
        path_.push_back(std::move(node));
    }
    const Node& node = path_[depth];
    // The program is deterministic, but its objects lie elsewhere in each run: take today's action
    // of that actor.
    const auto chosen = std::ranges::find_if(actions, [&](const Action& action) {
        return action.same_actor(node.choices[node.chosen]);
    });
    CASC_ASSERT(chosen != actions.end(), depth, trace_);
    // Who was run from here before need not be run again until something that concerns him has
    // happened.
    std::vector<Action> candidates = asleep;
    for (std::size_t i = 0; i < node.chosen; ++i) {
        const auto before = std::ranges::find_if(
            actions, [&](const Action& action) { return action.same_actor(node.choices[i]); });
        CASC_ASSERT(before != actions.end(), depth, trace_);
        candidates.push_back(*before);
    }
    asleep.clear();
    std::ranges::copy_if(candidates, std::back_inserter(asleep),
                         [&](const Action& action) { return action.independent_of(*chosen); });
    return *chosen;
}

void Scheduler::perform(const Action& action) {
    Thread& thread = *threads_[action.thread];
    if (action.flush) {
        const Store store = thread.buffer.front();
        thread.buffer.pop_front();
        store.location->value = store.value;
        return;
    }
    thread.pending.reset();
    running_ = action.thread;
    thread.fiber.resume();
    running_.reset();
}

// Lets every body end, in any order, so that its objects are destroyed.
void Scheduler::finish_anyhow() {
    winding_up_ = true;
    for (auto& thread : threads_) {
        for (const Store& store : thread->buffer)
            store.location->value = store.value;
        thread->buffer.clear();
    }
    for (std::size_t steps = 0; !all_finished(); ++steps) {
        CASC_ASSERT(steps < kStepsMax, trace_);
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            if (threads_[i]->fiber.finished()) continue;
            perform({i, false, Op::load, nullptr});
        }
    }
    winding_up_ = false;
}

bool Scheduler::next_order() {
    while (!path_.empty() && path_.back().chosen + 1 == path_.back().choices.size())
        path_.pop_back();
    if (path_.empty()) return false;
    ++path_.back().chosen;
    return true;
}

void Scheduler::take_turn(Op op, Location& location) {
    if (!running_) return;
    Thread& thread = *threads_[*running_];
    thread.pending = Action{*running_, false, op, &location};
    thread.fiber.pause();
}

std::uint64_t Scheduler::read(const Location& location) const {
    if (running_) {
        const auto& buffer = threads_[*running_]->buffer;
        const auto own = std::find_if(buffer.rbegin(), buffer.rend(), [&](const Store& store) {
            return store.location == &location;
        });
        if (own != buffer.rend()) return own->value;
    }
    return location.value;
}

void Scheduler::write(Op op, Location& location, std::uint64_t value) {
    if (op == Op::buffered_store && running_ && !winding_up_) {
        threads_[*running_]->buffer.push_back({&location, value});
    } else {
        location.value = value;
    }
}

void Scheduler::forget(const Location& location) {
    for (auto& thread : threads_) {
        std::erase_if(thread->buffer,
                      [&](const Store& store) { return store.location == &location; });
    }
}

}  // namespace

Location::~Location() {
    if (active != nullptr) active->forget(*this);
}

void take_turn(Op op, Location& location) {
    if (active != nullptr) active->take_turn(op, location);
}

std::uint64_t read(const Location& location) {
    return active != nullptr ? active->read(location) : location.value;
}

void write(Op op, Location& location, std::uint64_t value) {
    if (active != nullptr) {
        active->write(op, location, value);
    } else {
        location.value = value;
    }
}

Op store_op(std::memory_order order) {
    const bool buffered = active != nullptr && active->memory() == Memory::store_buffers;
    return buffered && order != std::memory_order_seq_cst ? Op::buffered_store : Op::store;
}

}  // namespace detail

Exploration explore(const std::function<std::unique_ptr<Program>()>& make, Memory memory) {
    return detail::Scheduler(memory).explore_all(make);
}

}  // namespace casc::ring::testing
