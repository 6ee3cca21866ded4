// The state machine of a consumer group: who owns what, and that nothing moves that could have
// stayed.

#include "group.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

using namespace casc;
using namespace casc::broker;

namespace {

constexpr MonoNanos at(std::int64_t ms) {
    return MonoNanos(ms * 1'000'000);
}
GroupPartition part(std::uint32_t topic, std::uint32_t partition) {
    return {TopicId(topic), PartitionId(partition)};
}

// Five verbs: join, leave, rebalance, release_all, loads.
struct GroupFixture {
    Group group{1, "g"};
    std::map<TopicId, std::uint32_t> partitions;

    Member& join(const std::string& id, const std::set<std::uint32_t>& topics = {1}) {
        Member member;
        member.id = id;
        for (const std::uint32_t topic : topics)
            member.topics.insert(TopicId(topic));
        member.session_timeout = std::chrono::milliseconds(1000);
        member.rebalance_timeout = std::chrono::milliseconds(500);
        member.session = 1;
        return group.upsert(std::move(member));
    }
    void leave(const std::string& id) { group.remove(id); }
    std::vector<AssignmentChange> rebalance(std::int64_t ms = 0) {
        return group.rebalance(partitions, at(ms));
    }
    // Every member lets go of what it was asked for. Returns whether anything was.
    bool release_all() {
        bool any = false;
        for (const auto& [id, member] : group.members()) {
            const auto revoking = member.revoking;
            for (const auto& [partition, since] : revoking)
                any |= group.release(*group.find(id), partition);
        }
        return any;
    }
    // Until nothing moves any more; the number of rounds is bounded.
    void converge() {
        for (int round = 0; round < 100; ++round) {
            const bool moved = !rebalance().empty();
            if (!release_all() && !moved) return;
        }
        FAIL("the group does not come to rest");
    }
    std::map<std::string, std::size_t> loads() const {
        std::map<std::string, std::size_t> loads;
        for (const auto& [id, member] : group.members())
            loads[id] = member.owned.size();
        return loads;
    }
    // No partition has two owners, and the two ways of asking agree.
    void check_owners() const {
        std::map<GroupPartition, std::string> seen;
        for (const auto& [id, member] : group.members()) {
            for (const GroupPartition& partition : member.owned) {
                CHECK_MESSAGE(seen.emplace(partition, id).second, "two owners");
                CHECK(group.owner(partition) == &member);
            }
            for (const auto& [partition, since] : member.revoking)
                CHECK(member.owned.contains(partition));
        }
    }
};

}  // namespace

TEST_CASE("broker/group: the first member gets everything at once") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 4;
    f.join("a");
    const auto changes = f.rebalance();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].member_id == "a");
    CHECK(changes[0].assign.size() == 4);
    CHECK(changes[0].revoke.empty());
    CHECK(f.rebalance().empty());
}

TEST_CASE("broker/group: a second member gets half, and only once the first has let go") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 4;
    f.join("a");
    f.converge();
    f.join("b");
    const auto changes = f.rebalance();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].member_id == "a");
    CHECK(changes[0].revoke.size() == 2);
    CHECK(f.group.rebalancing());
    CHECK(f.group.find("b")->owned.empty());
    CHECK(f.group.find("a")->owned.size() == 4);  // its own until released

    CHECK(f.group.release(*f.group.find("a"), changes[0].revoke[0]));
    const auto given = f.rebalance();
    REQUIRE(given.size() == 1);
    CHECK(given[0].member_id == "b");
    CHECK(given[0].assign == std::vector{changes[0].revoke[0]});
    f.check_owners();
}

TEST_CASE("broker/group: a member that owns many topics of one partition shares them") {
    // Balancing each topic on its own left everything with the first member: each topic has one
    // partition only.
    GroupFixture f;
    std::set<std::uint32_t> topics;
    for (std::uint32_t topic = 1; topic <= 10; ++topic) {
        f.partitions[TopicId(topic)] = 1;
        topics.insert(topic);
    }
    f.join("a", topics);
    f.converge();
    f.join("b", topics);
    f.converge();
    CHECK(f.loads() == std::map<std::string, std::size_t>{{"a", 5}, {"b", 5}});
}

TEST_CASE("broker/group: members with different topics balance what they share") {
    GroupFixture f;
    f.partitions = {{TopicId(1), 4}, {TopicId(2), 2}};
    f.join("a", {1, 2});
    f.join("b", {1});
    f.converge();
    CHECK(f.loads() == std::map<std::string, std::size_t>{{"a", 3}, {"b", 3}});
    for (const auto& partition : f.group.find("b")->owned)
        CHECK(partition.topic == TopicId(1));
}

TEST_CASE("broker/group: when a member leaves, the others keep what they have") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 9;
    for (const char* id : {"a", "b", "c"})
        f.join(id);
    f.converge();
    const auto of_a = f.group.find("a")->owned;
    const auto of_b = f.group.find("b")->owned;
    f.leave("c");
    for (const auto& change : f.rebalance())
        CHECK(change.revoke.empty());
    CHECK(std::includes(f.group.find("a")->owned.begin(), f.group.find("a")->owned.end(),
                        of_a.begin(), of_a.end()));
    CHECK(std::includes(f.group.find("b")->owned.begin(), f.group.find("b")->owned.end(),
                        of_b.begin(), of_b.end()));
    CHECK(f.group.find("a")->owned.size() + f.group.find("b")->owned.size() == 9);
}

TEST_CASE(
    "broker/group: a partition asked back while another one is on its way is not asked back "
    "twice") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 6;
    f.join("a");
    f.converge();
    f.join("b");
    const auto asked = f.rebalance();
    REQUIRE(asked.size() == 1);
    REQUIRE(asked[0].revoke.size() == 3);
    CHECK(f.rebalance().empty());
    REQUIRE(f.group.release(*f.group.find("a"), asked[0].revoke[1]));
    for (const auto& change : f.rebalance())
        CHECK(change.revoke.empty());
    CHECK(f.group.find("a")->revoking.size() == 2);
}

TEST_CASE("broker/group: a partition that may stay after all can still be released") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 2;
    f.join("a");
    f.converge();
    f.join("b");
    const auto asked = f.rebalance();
    REQUIRE(asked.size() == 1);
    f.leave("b");
    CHECK(f.rebalance().empty());
    CHECK_FALSE(f.group.rebalancing());
    CHECK(f.group.release(*f.group.find("a"), asked[0].revoke.at(0)));
    const auto again = f.rebalance();
    REQUIRE(again.size() == 1);
    CHECK(again[0].assign == asked[0].revoke);
}

TEST_CASE("broker/group: what is not let go of in time is taken") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 2;
    f.join("a");
    f.converge();
    f.join("b");
    const auto asked = f.rebalance(1000);
    REQUIRE(asked.at(0).revoke.size() == 1);
    CHECK(f.group.take_overdue(at(1500)).empty());
    const auto losers = f.group.take_overdue(at(1501));
    REQUIRE(losers.size() == 1);
    CHECK(losers[0].member_id == "a");
    CHECK(losers[0].revoke == asked[0].revoke);
    CHECK_FALSE(f.group.find("a")->owned.contains(asked[0].revoke[0]));
    const auto given = f.rebalance(1501);
    REQUIRE(given.size() == 1);
    CHECK(given[0].assign == asked[0].revoke);
}

TEST_CASE("broker/group: releasing what one does not own does nothing") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 2;
    f.join("a");
    f.join("b");
    f.converge();
    const GroupPartition of_b = *f.group.find("b")->owned.begin();
    CHECK_FALSE(f.group.release(*f.group.find("a"), of_b));
    CHECK_FALSE(f.group.release(*f.group.find("a"), part(9, 9)));
    CHECK(f.group.owner(of_b)->id == "b");
}

TEST_CASE("broker/group: a member that joins again keeps what it has") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 4;
    f.join("a");
    f.join("b");
    f.converge();
    const auto before = f.group.find("a")->owned;
    f.join("a");
    CHECK(f.group.find("a")->owned == before);
    CHECK(f.rebalance().empty());
}

TEST_CASE("broker/group: a session runs out only while there is no connection") {
    GroupFixture f;
    Member& member = f.join("a");
    CHECK(f.group.expired(at(1'000'000)).empty());
    member.session = 0;
    member.disconnected_at = at(5000);
    CHECK(f.group.expired(at(6000)).empty());
    CHECK(f.group.expired(at(6001)) == std::vector<std::string>{"a"});
}

TEST_CASE("broker/group: static members are found by their instance") {
    GroupFixture f;
    f.join("a").instance_id = "shelf-1";
    f.join("b");
    REQUIRE(f.group.find_instance("shelf-1") != nullptr);
    CHECK(f.group.find_instance("shelf-1")->id == "a");
    CHECK(f.group.find_instance("shelf-2") == nullptr);
    CHECK(f.group.find_instance("") ==
          nullptr);  // "b" has none, which is not the name of an instance
}

TEST_CASE("broker/group: a topic that is gone is asked back, more partitions are given out") {
    GroupFixture f;
    f.partitions = {{TopicId(1), 2}, {TopicId(2), 2}};
    f.join("a", {1, 2});
    f.converge();
    f.partitions.erase(TopicId(2));
    f.group.find("a")->topics.erase(TopicId(2));
    const auto changes = f.rebalance();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].revoke == std::vector{part(2, 0), part(2, 1)});
    f.partitions[TopicId(1)] = 5;
    CHECK(f.rebalance().at(0).assign == std::vector{part(1, 2), part(1, 3), part(1, 4)});
}

TEST_CASE("broker/group: sixty thousand partitions and a hundred members balance at once") {
    GroupFixture f;
    f.partitions[TopicId(1)] = 60'000;
    for (int m = 0; m < 100; ++m)
        f.join("m" + std::to_string(m));
    f.converge();
    for (const auto& [id, load] : f.loads())
        CHECK(load == 600);
}

TEST_CASE(
    "broker/group: whatever happens, a partition has one owner, and in the end all are shared "
    "evenly") {
    const char* given = std::getenv("CASC_TEST_SEED");
    const auto seed =
        given != nullptr ? static_cast<unsigned>(std::atoll(given)) : std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
    };
    for (int run = 0; run < 50; ++run) {
        GroupFixture f;
        for (std::uint32_t topic = 1; topic <= 1 + pick(3); ++topic)
            f.partitions[TopicId(topic)] = static_cast<std::uint32_t>(1 + pick(12));
        const bool same_topics = pick(2) == 0;
        std::int64_t now = 0;
        for (int step = 0; step < 60; ++step) {
            now += static_cast<std::int64_t>(pick(200));
            const std::string id = "m" + std::to_string(pick(6));
            std::set<std::uint32_t> topics;
            for (const auto& [topic, count] : f.partitions)
                if (same_topics || pick(2) == 0) topics.insert(topic.value());
            switch (pick(6)) {
                case 0:
                case 1:
                    f.join(id, topics);
                    break;
                case 2:
                    f.leave(id);
                    break;
                case 3:
                    (void)f.group.take_overdue(at(now));
                    break;
                case 4: {
                    Member* member = f.group.find(id);
                    if (member != nullptr && !member->revoking.empty())
                        f.group.release(*member, GroupPartition(member->revoking.begin()->first));
                    break;
                }
                default:
                    f.partitions.begin()->second += static_cast<std::uint32_t>(pick(2));
                    break;
            }
            // What members know is what they were told: nobody is given what another has not been
            // told to let go of.
            for (const auto& change : f.rebalance(now))
                for (const auto& partition : change.assign)
                    CHECK(f.group.owner(partition)->id == change.member_id);
            f.check_owners();
        }
        f.converge();
        f.check_owners();
        if (f.group.members().empty()) continue;
        for (const auto& entry : f.partitions) {
            const TopicId topic = entry.first;
            for (std::uint32_t p = 0; p < entry.second; ++p) {
                const Member* owner = f.group.owner({topic, PartitionId(p)});
                const bool wanted =
                    std::any_of(f.group.members().begin(), f.group.members().end(),
                                [&](const auto& m) { return m.second.topics.contains(topic); });
                CHECK((owner != nullptr) == wanted);
                if (owner != nullptr) CHECK(owner->topics.contains(topic));
            }
        }
        // Nobody has two more than somebody who could take one of them.
        for (const auto& [id, member] : f.group.members())
            for (const GroupPartition& partition : member.owned)
                for (const auto& [other_id, other] : f.group.members())
                    if (other.topics.contains(partition.topic))
                        CHECK(member.owned.size() <= other.owned.size() + 1);
    }
}
