// Workers that move events from a queue into two logs, each move one atomic write; events that are
// to come later; taps that fall behind; and the broker is killed again and again. What was moved is
// in both logs or in none, and in the end once; what was to come later comes once, and not before;
// a tap is told of each event that it is not given.

#include "history_seed.hpp"
#include "log_reader.hpp"
#include "queue_member.hpp"
#include "tapper.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <utility>

using namespace casc;
using namespace casc::test;

namespace {

using Texts = std::vector<std::string>;

// One log as it is read, and what is wrong with it.
class Reader {
public:
    Reader(std::uint32_t topic, std::string& violation) : topic_(topic), violation_(violation) {}

    // What has come since the last time.
    const Texts& read(RawConnection& raw) {
        for (;;) {
            const Texts more = read_log(raw, topic_, Lane::normal, 0, 0, texts_.size());
            if (more.empty()) return texts_;
            for (const std::string& text : more)
                if (!seen_.insert(text).second) note(text + " is there twice");
            texts_.insert(texts_.end(), more.begin(), more.end());
        }
    }
    // Whether what has been read is still what is there.
    void read_again(RawConnection& raw) {
        const Texts before = std::exchange(texts_, {});
        seen_.clear();
        read(raw);
        if (texts_.size() < before.size() ||
            !std::equal(before.begin(), before.end(), texts_.begin()))
            note("what was read before is not there any more");
    }
    [[nodiscard]] bool has(const std::string& text) const { return seen_.contains(text); }
    [[nodiscard]] const Texts& texts() const noexcept { return texts_; }

private:
    void note(const std::string& what) {
        if (violation_.empty()) violation_ = "topic " + std::to_string(topic_) + ": " + what;
    }

    std::uint32_t topic_;
    std::string& violation_;
    Texts texts_;
    std::set<std::string> seen_;
};

class DeliveryHistory {
public:
    explicit DeliveryHistory(unsigned seed, const std::string& seeded_bug = "") : random_(seed) {
        if (!seeded_bug.empty()) {
            broker_.terminate();
            broker_.options().environment["CASC_SEEDED_BUG"] = seeded_bug;
            broker_.restart();
        }
        connect_again();
        // The members of a queue group read topic 1.
        source_ = create_topic(*raw_, "t");
        left_topic_ = create_topic(*raw_, "left");
        right_topic_ = create_topic(*raw_, "right");
        later_topic_ = create_topic(*raw_, "later");
        REQUIRE(source_ == 1);
    }
    // What must not have happened, and did; the first.
    [[nodiscard]] const std::string& violation() const { return violation_; }

    void step() {
        const auto choice = draw(100);
        if (choice < 15)
            fill();
        else if (choice < 25)
            join();
        else if (choice < 55)
            move();
        else if (choice < 65)
            postpone();
        else if (choice < 70)
            cancel();
        else if (choice < 80)
            watch();
        else if (choice < 90)
            check();
        else if (choice < 95)
            lose_a_worker();
        else if (choice < 98)
            kill_the_broker();
        else
            die_in_a_move();
    }
    // Everything that was produced is moved, and everything that was postponed has come.
    void finish() {
        workers_.clear();
        join(1000);
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (violation_.empty() && !is_complete()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            move();
            check();
        }
        CHECK(left_.texts().size() == produced_.size());
    }

private:
    struct Worker {
        std::unique_ptr<QueueMember> connection;
        wire::FinishOptions identity;
        std::vector<Leased> held;
    };
    struct Move {
        fb::AtomicWriteT request;
        std::vector<std::byte> attachments;
        Texts texts;
    };
    struct Postponed {
        EpochNanos due;
        std::uint64_t schedule = 0;  // 0: the broker died before it said
        bool certain = false;
        bool cancelled = false;
    };
    struct Watch {
        std::unique_ptr<Tapper> tap;
        std::size_t from;  // of the left log
        Texts seen;
        std::vector<std::pair<std::size_t, std::uint64_t>> told;  // seen and skipped so far
        bool granted = false;
    };

    std::uint64_t draw(std::uint64_t bound) { return random_() % bound; }
    std::string next_text(const char* what) { return what + std::to_string(++texts_made_); }
    void note(const std::string& what) {
        if (violation_.empty()) violation_ = what;
    }

    void connect_again() {
        raw_ = std::make_unique<RawConnection>(broker_.endpoint());
        raw_->hello();
    }

    // ---- moves ----

    void fill() {
        Texts texts(1 + draw(20));
        for (std::string& text : texts)
            produced_.insert(text = next_text("e") + std::string(draw(100), '.'));
        must(produce(*raw_, source_, batch_of(texts)));
    }
    void join(std::uint32_t prefetch = 0) {
        if (workers_.size() >= 3 && prefetch == 0) return;
        Worker worker{std::make_unique<QueueMember>(broker_), {}, {}};
        auto request = worker.connection->join_request(
            "g", prefetch != 0 ? prefetch : 1 + static_cast<std::uint32_t>(draw(60)));
        request.settings->deliveries_max = 0;
        must(worker.connection->call(request));
        const auto identity = must(worker.connection->call(fb::InitProducerT{}));
        worker.identity = {.producer_id = ProducerId(identity.producer_id),
                           .producer_epoch = identity.epoch};
        workers_.push_back(std::move(worker));
    }
    Move move_of(Worker& worker, std::size_t count) {
        std::shuffle(worker.held.begin(), worker.held.end(), random_);
        const auto from = worker.held.end() - static_cast<std::ptrdiff_t>(count);
        const std::vector<Leased> some(from, worker.held.end());
        worker.held.erase(from, worker.held.end());
        Move move;
        for (const Leased& event : some)
            move.texts.push_back(event.text);
        for (const std::uint32_t topic : {left_topic_, right_topic_}) {
            move.request.batches.emplace_back(std::make_unique<fb::AtomicBatchT>())->topic_id =
                topic;
            const auto batch = batch_of(move.texts, Lane::normal, worker.identity);
            move.attachments.insert(move.attachments.end(), batch.begin(), batch.end());
        }
        worker.identity.base_sequence += static_cast<std::uint32_t>(count);
        move.request.settles.push_back(
            std::make_unique<fb::SettleT>(worker.connection->done_request(some)));
        return move;
    }
    void move() {
        if (workers_.empty()) return join();
        Worker& worker = workers_[draw(workers_.size())];
        receive(worker);
        if (worker.held.empty()) return;
        const Move move = move_of(worker, 1 + draw(worker.held.size()));
        must(worker.connection->call(move.request, move.attachments));
        for (const std::string& text : move.texts)
            moved_.insert(text);
    }
    void receive(Worker& worker) {
        for (const Leased& event : worker.connection->take(worker.connection->held())) {
            if (moved_.contains(event.text)) note(event.text + " was moved and came again");
            worker.held.push_back(event);
        }
    }
    // Neither knows what has become of its last move.
    void leave_in_doubt(Worker& worker) {
        if (worker.held.empty()) return;
        Move move = move_of(worker, 1 + draw(worker.held.size()));
        worker.connection->send(move.request, move.attachments);
        in_doubt_.push_back(std::move(move));
    }
    void lose_a_worker() {
        if (workers_.empty()) return;
        const auto at = workers_.begin() + static_cast<std::ptrdiff_t>(draw(workers_.size()));
        if (draw(2) == 0) leave_in_doubt(*at);
        // Now and then the readers are quicker than the answer would be.
        if (draw(2) == 0) check();
        at->connection->vanish();
        workers_.erase(at);
        settle_doubts();
    }
    // Asked again, a move that was done says so, and one that was not is refused: its events are
    // not leased to who asks.
    void settle_doubts() {
        for (const Move& move : std::exchange(in_doubt_, {})) {
            const auto again = raw_->call(move.request, move.attachments);
            if (!again) continue;
            for (const std::string& text : move.texts)
                moved_.insert(text);
        }
    }

    // ---- later ----

    void postpone() {
        const std::string text = next_text("l");
        const EpochNanos due =
            wall_now() + EpochNanos::distance(static_cast<std::int64_t>(draw(400)) * 1'000'000);
        Postponed& one = postponed_[text];
        one.due = due;
        const auto reply = must(produce(*raw_, later_topic_, delayed(text, due)));
        one.certain = true;
        if (!reply.scheduled.empty()) one.schedule = reply.scheduled.front()->schedule_id;
    }
    static std::vector<std::byte> delayed(const std::string& text, EpochNanos due) {
        wire::BatchBuilder builder(Lane::normal);
        builder.add({.payload = std::as_bytes(std::span(text)), .deliver_at = due}, EpochNanos(1));
        std::vector<std::byte> bytes;
        builder.finish({}, bytes);
        return bytes;
    }
    void cancel() {
        std::vector<Postponed*> waiting;
        for (auto& [text, one] : postponed_)
            if (one.schedule != 0 && !one.cancelled && one.due > wall_now())
                waiting.push_back(&one);
        if (waiting.empty()) return;
        Postponed& one = *waiting[draw(waiting.size())];
        fb::CancelScheduleT request;
        request.schedule_id = one.schedule;
        const auto done = raw_->call(request);
        if (done) one.cancelled = true;
        if (!done) CHECK(done.error().code == ErrorCode::unknown_schedule);  // it has come
    }
    void check_later() {
        later_.read(*raw_);
        for (; later_checked_ < later_.texts().size(); ++later_checked_) {
            const std::string& text = later_.texts()[later_checked_];
            const auto found = postponed_.find(text);
            if (found == postponed_.end()) {
                note(text + " was not produced");
            } else {
                if (wall_now() < found->second.due) note(text + " came before its time");
                if (found->second.cancelled) note(text + " was cancelled and came");
            }
        }
    }

    // ---- taps ----

    void watch() {
        if (!watch_) {
            const std::size_t from = left_.read(*raw_).size();
            watch_ = Watch{std::make_unique<Tapper>(broker_), from, {}, {}};
            must(watch_->tap->tap([&](fb::TapT& request) {
                request.topics = {"left"};
                request.on_full = 0;  // the oldest go
                request.events_max = 20;
                no_credit(request);
            }));
            return;
        }
        // It has fallen behind; now it is given all that it has, once.
        if (!std::exchange(watch_->granted, true)) watch_->tap->credit(1000, 1 << 20);
        watch_->tap->drain();
        const Texts fresh = watch_->tap->take_all();
        watch_->seen.insert(watch_->seen.end(), fresh.begin(), fresh.end());
        watch_->told.emplace_back(watch_->seen.size(), watch_->tap->skipped);
        if (!watch_->seen.empty()) check_watch();
    }
    // What it was given, and told that it was not, is all there was.
    void check_watch() {
        const Texts& log = left_.read(*raw_);
        std::size_t at = watch_->from;
        std::size_t seen = 0;
        for (const auto& [count, skipped] : watch_->told) {
            for (; seen < count; ++seen) {
                while (at < log.size() && log[at] != watch_->seen[seen])
                    ++at;
                if (at == log.size())
                    return note("the tap was given " + watch_->seen[seen] + " out of order");
                ++at;
            }
            if (count != 0 && at - watch_->from != count + skipped)
                return note("the tap was given " + std::to_string(count) + ", told of " +
                            std::to_string(skipped) + ", of " + std::to_string(at - watch_->from));
        }
        watch_.reset();
    }

    // ---- the whole ----

    // Never a part of a move: what is read first is in what is read next.
    void check() {
        left_.read(*raw_);
        right_.read(*raw_);
        for (const std::string& text : left_.texts())
            if (!right_.has(text)) note(text + " is in the left log only");
        const std::size_t count = right_.texts().size();
        left_.read(*raw_);
        for (std::size_t i = 0; i < count; ++i)
            if (!left_.has(right_.texts()[i]))
                note(right_.texts()[i] + " is in the right log only");
        for (const std::string& text : moved_)
            if (!left_.has(text)) note(text + " was moved and is not there");
        check_later();
    }
    [[nodiscard]] bool is_complete() const {
        if (left_.texts().size() < produced_.size()) return false;
        return std::all_of(postponed_.begin(), postponed_.end(), [&](const auto& entry) {
            return !entry.second.certain || entry.second.cancelled || later_.has(entry.first);
        });
    }
    void kill_the_broker() {
        for (Worker& worker : workers_)
            if (draw(2) == 0) leave_in_doubt(worker);
        if (draw(2) == 0) {
            const std::string text = next_text("l");
            const EpochNanos due = wall_now() + EpochNanos::distance(100'000'000);
            postponed_[text].due = due;
            fb::ProduceT request;
            request.topic_id = later_topic_;
            request.acks = static_cast<std::uint8_t>(Acks::durable);
            static_cast<void>(raw_->send(request_bytes(request, 1, delayed(text, due))));
        }
        restart();
    }
    // Between its two batches and what they settle.
    void die_in_a_move() {
        broker_.options().environment["CASC_FAIL_POINT"] = "atomic.write:1";
        restart();
        fill();
        join();
        Worker& worker = workers_.back();
        while (worker.held.empty())
            receive(worker);
        leave_in_doubt(worker);
        broker_.wait_exit();
        broker_.options().environment.erase("CASC_FAIL_POINT");
        restart();
    }
    void restart() {
        broker_.kill_hard();
        workers_.clear();
        watch_.reset();
        broker_.restart();
        connect_again();
        settle_doubts();
        for (Reader* reader : {&left_, &right_, &later_})
            reader->read_again(*raw_);
        check();
    }

    std::mt19937 random_;
    TestBroker broker_;
    std::unique_ptr<RawConnection> raw_;
    std::uint32_t source_ = 0;
    std::uint32_t left_topic_ = 0;
    std::uint32_t right_topic_ = 0;
    std::uint32_t later_topic_ = 0;
    std::string violation_;
    std::size_t texts_made_ = 0;
    std::set<std::string> produced_;
    std::set<std::string> moved_;  // and the worker was told
    std::vector<Worker> workers_;
    std::vector<Move> in_doubt_;
    std::map<std::string, Postponed> postponed_;
    std::size_t later_checked_ = 0;
    std::optional<Watch> watch_;
    Reader left_{2, violation_};
    Reader right_{3, violation_};
    Reader later_{4, violation_};
};

// Until it is found, and for what it is.
void must_find(const std::string& bug, const std::string& violation) {
    DeliveryHistory history(any_seed(), bug);
    for (int i = 0; i < 3000 && history.violation().empty(); ++i)
        history.step();
    MESSAGE(history.violation());
    CHECK(history.violation().find(violation) != std::string::npos);
}

}  // namespace

TEST_CASE(
    "broker/delivery_history: moves are whole, what is to come comes once, and taps know what they "
    "missed, whoever dies") {
    DeliveryHistory history(any_seed());
    const auto until = given_end();
    for (int i = 0;
         (i < 300 || std::chrono::steady_clock::now() < until) && history.violation().empty(); ++i)
        history.step();
    history.finish();
    CHECK(history.violation() == "");
}

TEST_CASE("broker/delivery_history: an atomic write in two entries is found") {
    must_find("atomic_in_two_entries", "is in the left log only");
}

TEST_CASE("broker/delivery_history: a schedule that outlives its event is found") {
    must_find("schedule_kept", "is there twice");
}

TEST_CASE("broker/delivery_history: a tap that is not told what it missed is found") {
    must_find("tap_not_told", ", told of ");
}
