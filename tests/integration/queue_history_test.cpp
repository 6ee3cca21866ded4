// Members come, work, fail and vanish, the broker is killed again and again: what a member was told
// is settled never comes again, and in the end everything is.

#include "history_seed.hpp"
#include "queue_member.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <set>

using namespace casc;
using namespace casc::test;

namespace {

class QueueHistory {
public:
    explicit QueueHistory(unsigned seed, const std::string& seeded_bug = "", bool by_key = false)
        : random_(seed), by_key_(by_key) {
        start();
        if (seeded_bug.empty()) return;
        broker_.terminate();
        broker_.options().environment["CASC_SEEDED_BUG"] = seeded_bug;
        broker_.restart();
        start();
    }
    // What must not have happened, and did; the first.
    [[nodiscard]] const std::string& violation() const { return violation_; }

    void step() {
        const auto choice = draw(100);
        if (choice < 20)
            fill();
        else if (choice < 30)
            join();
        else if (choice < 70)
            work();
        else if (choice < 90)
            object();
        else if (choice < 97)
            lose_a_member();
        else
            kill_the_broker();
    }
    // Everything that was produced is settled by somebody.
    void finish() {
        join(1000);
        auto& last = *members_.back().connection;
        members_.erase(members_.begin(), members_.end() - 1);
        // With CASC_TEST_MINUTES there are many, one of each key at a time: it takes long, but it
        // goes on.
        auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (settled_.size() < produced_.size()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            const std::size_t before = settled_.size();
            receive(members_.back());
            settle(members_.back(), members_.back().held.size());
            settle_below_the_floors(last);
            if (settled_.size() > before) deadline = std::chrono::steady_clock::now() + kPatience;
        }
        CHECK(settled_.size() == produced_.size());
    }

private:
    using Place = std::pair<Lane, std::uint64_t>;
    struct Held {
        std::unique_ptr<QueueMember> connection;
        std::vector<Leased> held;
    };

    std::uint64_t draw(std::uint64_t bound) { return random_() % bound; }

    void start() {
        raw_ = std::make_unique<RawConnection>(broker_.endpoint());
        raw_->hello();
        if (topic_ == 0) topic_ = create_topic(*raw_, "t");
    }
    void fill() {
        const Lane lane = kLanes[draw(kLaneCount)];
        std::vector<std::pair<std::string, std::string>> events(1 + draw(20));
        for (auto& [key, text] : events) {
            // Few, so that they stand in line; every fifth event has none.
            const auto number = draw(10);
            if (by_key_ && number < 8) key = "k" + std::to_string(number);
            text = key + ":" + std::to_string(produced_.size()) + std::string(draw(100), '.');
        }
        const auto reply = must(produce(*raw_, topic_, keyed_batch_of(events, lane)));
        for (std::uint64_t i = 0; i < events.size(); ++i) {
            const Place place(lane, reply.base_offset + i);
            produced_.emplace(place, events[i].second);
            open(place);
        }
    }
    void join(std::uint32_t prefetch = 0) {
        if (members_.size() >= 3 && prefetch == 0) return;
        Held member{std::make_unique<QueueMember>(broker_), {}};
        auto request = member.connection->join_request(
            "g", prefetch != 0 ? prefetch : 1 + static_cast<std::uint32_t>(draw(60)));
        request.settings->deliveries_max = 0;
        request.settings->order = by_key_ ? 1 : 0;
        must(member.connection->call(request));
        members_.push_back(std::move(member));
    }
    void receive(Held& member) {
        for (const Leased& event : member.connection->take(member.connection->held())) {
            const Place place(event.lane, event.offset);
            const auto produced = produced_.find(place);
            const auto about = [&](const char* what) {
                if (violation_.empty())
                    violation_ = "event " + std::to_string(event.offset) + " of lane " +
                                 std::string(to_string(event.lane)) + " " + what;
            };
            if (settled_.contains(place)) about("was settled and came again");
            if (produced == produced_.end() || produced->second != event.text)
                about("is not what was produced");
            if (maybe_settled_.erase(place) != 0) open(place);  // it was not
            if (by_key_) check_order(event, about);
            member.held.push_back(event);
        }
    }
    template <class About>
    void check_order(const Leased& event, About&& about) {
        const std::string key = key_of(event.text);
        if (key.empty()) return;
        for (const Held& other : members_)
            for (const Leased& held : other.held)
                if (key_of(held.text) == key) about("came while another one of its key was out");
        const auto& unsettled = open_[{event.lane, key}];
        if (!unsettled.empty() && *unsettled.begin() < event.offset)
            about("came before an earlier one of its key was settled");
    }
    void open(const Place& place) {
        open_[{place.first, key_of(produced_.at(place))}].insert(place.second);
    }
    void close(const Place& place, std::set<Place>& into) {
        open_[{place.first, key_of(produced_.at(place))}].erase(place.second);
        into.insert(place);
    }
    static std::string key_of(const std::string& text) { return text.substr(0, text.find(':')); }
    std::vector<Leased> some_of(Held& member, std::size_t count) {
        std::shuffle(member.held.begin(), member.held.end(), random_);
        const auto from = member.held.end() - static_cast<std::ptrdiff_t>(count);
        std::vector<Leased> some(from, member.held.end());
        member.held.erase(from, member.held.end());
        return some;
    }
    void settle(Held& member, std::size_t count) {
        if (count == 0) return;
        const auto some = some_of(member, count);
        CHECK(member.connection->done(some).refused.empty());
        for (const Leased& event : some)
            close({event.lane, event.offset}, settled_);
    }
    void work() {
        if (members_.empty()) return join();
        Held& member = members_[draw(members_.size())];
        receive(member);
        if (!member.held.empty()) settle(member, 1 + draw(member.held.size()));
    }
    void object() {
        if (members_.empty()) return join();
        Held& member = members_[draw(members_.size())];
        receive(member);
        if (member.held.empty()) return;
        const auto verdict = draw(2) == 0 ? QueueMember::kRefused : QueueMember::kReleased;
        CHECK(member.connection->say(some_of(member, 1)[0], verdict, "no").refused.empty());
    }
    void lose_a_member() {
        if (members_.empty()) return;
        const auto at = members_.begin() + static_cast<std::ptrdiff_t>(draw(members_.size()));
        at->connection->vanish();
        members_.erase(at);
    }
    void kill_the_broker() {
        for (Held& member : members_) {
            if (member.held.empty() || draw(2) == 0) continue;
            const auto some = some_of(member, 1 + draw(member.held.size()));
            member.connection->send_done(some);
            for (const Leased& event : some)
                close({event.lane, event.offset}, maybe_settled_);
        }
        broker_.kill_hard();
        members_.clear();
        broker_.restart();
        start();
    }
    // Of what may have been settled: what the group will not give out again.
    void settle_below_the_floors(QueueMember& asking) {
        if (maybe_settled_.empty()) return;
        fb::DescribeQueueT request;
        request.group = "g";
        for (const auto& log : must(asking.call(request)).logs) {
            const Lane lane = static_cast<Lane>(log->lane);
            const auto first = maybe_settled_.lower_bound({lane, 0});
            const auto last = maybe_settled_.lower_bound({lane, log->floor});
            settled_.insert(first, last);
            maybe_settled_.erase(first, last);
        }
    }

    std::mt19937 random_;
    const bool by_key_;
    TestBroker broker_;
    std::unique_ptr<RawConnection> raw_;
    std::uint32_t topic_ = 0;
    std::map<Place, std::string> produced_;
    std::map<std::pair<Lane, std::string>, std::set<std::uint64_t>> open_;  // by lane and key
    std::set<Place> settled_;        // and the member was told
    std::set<Place> maybe_settled_;  // the broker died before it could say
    std::vector<Held> members_;
    std::string violation_;
};

}  // namespace

TEST_CASE(
    "broker/queue_history: what is settled never comes again, and nothing is left out, "
    "whoever dies") {
    QueueHistory history(any_seed());
    const auto until = given_end();
    for (int i = 0; i < 300 || std::chrono::steady_clock::now() < until; ++i)
        history.step();
    history.finish();
    CHECK(history.violation() == "");
}

TEST_CASE(
    "broker/queue_history: the events of a key come one at a time and in order, whoever dies") {
    QueueHistory history(any_seed(), "", /*by_key=*/true);
    const auto until = given_end();
    for (int i = 0; i < 300 || std::chrono::steady_clock::now() < until; ++i)
        history.step();
    history.finish();
    CHECK(history.violation() == "");
}

TEST_CASE("broker/queue_history: keys that a restart forgets are found") {
    QueueHistory history(any_seed(), "keys_forgotten", /*by_key=*/true);
    for (int i = 0; i < 3000 && history.violation().empty(); ++i)
        history.step();
    MESSAGE(history.violation());
    CHECK(history.violation() != "");
}

TEST_CASE("broker/queue_history: answers before the journal write is submitted are found") {
    QueueHistory history(any_seed(), "ack_before_submit");
    for (int i = 0; i < 3000 && history.violation().empty(); ++i)
        history.step();
    MESSAGE(history.violation());
    CHECK(history.violation() != "");
}
