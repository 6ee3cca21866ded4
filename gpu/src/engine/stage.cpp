#include <casc/gpu/stage.hpp>
#include <casc/types/clock.hpp>

#include <algorithm>
#include <pthread.h>
#include <sched.h>
#include <span>
#include <utility>

namespace casc::gpu {
namespace {

// Between two steps, which are not kept waiting for longer: so many of each producer, and of all
// together so many bytes of prompts, which are tokenised here, and one prompt more.
constexpr std::size_t kCommandsPerTurn = 256;
constexpr std::size_t kPromptBytesPerTurn = 256 * 1024;
// A ring does not tell its writer that there is room; a reader that has let it become full is in no
// hurry.
constexpr std::chrono::microseconds kLookForRoom{100};

const Error& shutting_down() {
    static const Error error(ErrorCode::shutting_down);
    return error;
}

std::size_t prompt_bytes(const StageCommand& command) noexcept {
    const auto* const request = std::get_if<GenerateRequest>(&command);
    if (request == nullptr) return 0;
    return request->prompt.size() + request->prompt_tokens.size() * sizeof(TokenId);
}

}  // namespace

Stage::Stage(std::unique_ptr<Engine> engine, const StageOptions& options,
             std::shared_ptr<ring::Waker> reader)
    : engine_(std::move(engine)),
      outputs_(ring::make_ring<EngineOutput>(options.output_capacity, std::move(reader))) {
    for (std::size_t i = 0; i < options.producer_count; ++i) {
        auto commands = ring::make_ring<StageCommand>(options.command_capacity, waker_);
        producers_.push_back(std::move(commands.producer));
        commands_.push_back(std::move(commands.consumer));
    }
    thread_ = std::thread([this] { run(); });
}

Stage::~Stage() {
    give_order(Order::halt);
    thread_.join();
}

void Stage::close(Unfinished unfinished) noexcept {
    give_order(unfinished == Unfinished::answered ? Order::drain : Order::hand_back);
}

void Stage::give_order(Order order) noexcept {
    if (order > order_.load(std::memory_order_relaxed))
        order_.store(order, std::memory_order_seq_cst);
    waker_->wake();
}

StageState Stage::state() const noexcept {
    if (has_ended_.load(std::memory_order_acquire)) return StageState::closed;
    const bool is_open = order_.load(std::memory_order_relaxed) == Order::work;
    return is_open ? StageState::open : StageState::draining;
}

// ---- the thread ---------------------------------------------------------------------------------

void Stage::run() {
    pthread_setname_np(pthread_self(), "casc-inference");
    while (obey(order_.load(std::memory_order_seq_cst))) {
        if (!hand_out()) {
            sleep_until_room();
            continue;
        }
        const std::size_t taken = take_commands();
        if (compute() || taken != 0) continue;
        if (commands_.empty() && engine_->waiting() == 0) break;
        sleep_until_news();
    }
    has_ended_.store(true, std::memory_order_release);  // before: who reads to the end sees it
    outputs_.producer.close();
}

// To halt is never among what was obeyed: it stays news until the thread has ended.
bool Stage::obey(Order order) {
    if (order == Order::halt) return false;
    if (order == obeyed_) return true;
    // Who gave the order may have handed requests over before: they are under way.
    if (obeyed_ == Order::work) take_waiting_commands();
    obeyed_ = order;
    engine_->turn_away(shutting_down());
    if (order == Order::hand_back) engine_->end_all(shutting_down(), mono_now());
    return true;
}

bool Stage::hand_out() {
    if (outbox_sent_ == outbox_.size()) {
        engine_->take_outputs(outbox_);
        outbox_sent_ = 0;
    }
    outbox_sent_ += outputs_.producer.try_push_many(std::span(outbox_).subspan(outbox_sent_));
    // A reader that has gone wants nothing any more.
    if (outbox_sent_ != outbox_.size() && outputs_.producer.state() == ring::RingState::closed)
        outbox_sent_ = outbox_.size();
    return outbox_sent_ == outbox_.size();
}

// Those that are there by now; whoever goes on pushing does not keep the order from being obeyed.
void Stage::take_waiting_commands() {
    std::size_t most = 0;
    for (const auto& commands : commands_)
        most += commands.capacity();
    for (std::size_t taken = 0; taken < most;) {
        const std::size_t more = take_commands();
        if (more == 0) return;
        taken += more;
    }
}

// Each turn begins with another producer, so that the prompts of one do not keep the others out.
std::size_t Stage::take_commands() {
    std::size_t taken = 0;
    const MonoNanos now = mono_now();
    prompt_bytes_left_ = kPromptBytesPerTurn;
    ++turn_;
    for (std::size_t i = 0; i < commands_.size(); ++i)
        taken += take_from(commands_[(turn_ + i) % commands_.size()], now);
    // A closed ring would be news for ever.
    if (taken == 0)
        std::erase_if(commands_,
                      [](auto& ring) { return ring.state() == ring::RingState::closed; });
    return taken;
}

std::size_t Stage::take_from(ring::RingConsumer<StageCommand>& commands, MonoNanos now) {
    std::size_t taken = 0;
    const auto take_one = [&](StageCommand&& command) {
        prompt_bytes_left_ -= std::min(prompt_bytes_left_, prompt_bytes(command));
        take(std::move(command), now);
    };
    while (taken < kCommandsPerTurn && prompt_bytes_left_ != 0) {
        if (commands.drain(take_one, 1) == 0) break;
        ++taken;
    }
    return taken;
}

void Stage::take(StageCommand&& command, MonoNanos now) {
    if (auto* const request = std::get_if<GenerateRequest>(&command))
        return engine_->submit(std::move(*request), now);
    engine_->cancel(std::get<CancelRequest>(command).id, now);
}

bool Stage::compute() {
    if (!engine_->begin_step(mono_now())) return engine_->has_outputs();
    // The text of the step before, while a device computes.
    static_cast<void>(hand_out());
    engine_->await_step(mono_now());
    engine_->end_step(mono_now());
    if (engine_->failed()) has_failed_.store(true, std::memory_order_release);
    return true;
}

// ---- waiting ------------------------------------------------------------------------------------

bool Stage::has_news() {
    return order_.load(std::memory_order_seq_cst) != obeyed_ ||
           std::ranges::any_of(commands_, [](auto& commands) { return commands.ready(); });
}

// Looks again for a moment, where that pays; whoever wants this processor meanwhile gets it.
bool Stage::wait_briefly(MonoNanos until) {
    if (!brief_wait_.is_worth_it()) return false;
    const MonoNanos end = std::min(until, mono_now() + ring::BriefWait::kLength);
    bool has_come = false;
    do {
        has_come = has_news();
        if (!has_come) ::sched_yield();
    } while (!has_come && mono_now() < end);
    brief_wait_.record(has_come);
    return has_come;
}

void Stage::sleep_until_news() {
    const MonoNanos until = engine_->look_again();
    if (wait_briefly(until)) return;
    if (until == kNoDeadline) return waker_->wait([this] { return has_news(); });
    const std::chrono::nanoseconds left((until - mono_now()).value());
    if (left.count() > 0) waker_->wait([this] { return has_news(); }, left);
}

void Stage::sleep_until_room() {
    const auto has_order = [this] { return order_.load(std::memory_order_seq_cst) != obeyed_; };
    waker_->wait(has_order, kLookForRoom);
}

}  // namespace casc::gpu
