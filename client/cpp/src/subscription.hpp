#pragma once
// client/src/subscription.hpp: which logs a consumer reads, from where, and how far the broker may
// push ahead.

#include "credit_returns.hpp"

#include <casc/types/vocabulary.hpp>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace casc::client {

// A log that is read.
struct Source {
    std::uint64_t position = 0;   // the next offset to hand out
    std::uint64_t committed = 0;  // what the group knows, as far as we know
    std::uint32_t since = 0;      // deliveries made under an older generation are not from here
    bool paused = false;          // still ours, but the broker does not push it
    bool from_oldest = false;     // wherever that turns out to be, whatever the policy is
};

// Keeps the broker's idea of the subscription in step with ours, over reconnects.
//
// Thread:   the consumer's.
// Lifetime: the port must outlive it.
class Subscription {
public:
    Subscription(ConsumerPort& port, std::uint32_t id, const ConsumerOptions& options) noexcept;

    // A new connection, number `connection`: everything is asked for again from its position.
    void begin(std::uint32_t connection);
    void end() noexcept {
        connection_ = 0;
        returns_.begin(0);
    }

    // Reads all of the topics that match, also of those that come later; once.
    void follow(std::vector<std::string> patterns);
    [[nodiscard]] bool follows() const noexcept { return !patterns_.empty(); }
    // What the broker says of topics that match; nothing: it has begun to follow them.
    void matched(const wire::fb::TopicsMatchedT& news);

    void add(const std::vector<std::pair<LogId, Source>>& sources);
    void remove(const std::vector<LogId>& logs);
    void move(LogId log, std::uint64_t offset);
    // Stops and goes on without forgetting the positions.
    void pause(const std::vector<LogId>& logs);
    void resume(const std::vector<LogId>& logs);
    // The broker has dropped the source by itself (an error); a move() asks for it again.
    void clear();

    // Null when it is not read.
    [[nodiscard]] Source* find(LogId log) noexcept;
    // Whether begin() was called for this connection.
    [[nodiscard]] bool is_on(std::uint32_t connection) const noexcept {
        return connection_ == connection;
    }
    [[nodiscard]] const std::map<LogId, Source>& sources() const noexcept { return sources_; }
    // Whether a delivery is from where the source reads now.
    [[nodiscard]] bool wants(const InboxItem& item) noexcept;

    // A delivery's batch is handed out or dropped: its credit goes back, some at a time.
    void used(std::size_t bytes, std::uint32_t events) { returns_.used(bytes, events); }
    void delivery_used() { returns_.delivery_used(); }

private:
    using Sources = std::vector<std::unique_ptr<wire::fb::FetchSourceT>>;
    [[nodiscard]] static std::unique_ptr<wire::fb::FetchSourceT> source_of(LogId log,
                                                                           std::uint64_t offset);
    void subscribe();
    void update(Sources add, Sources remove);

    // Fixed after construction.
    ConsumerPort& port_;
    const std::uint32_t id_;
    const ConsumerOptions& options_;

    std::vector<std::string> patterns_;
    bool following_ = false;     // where logs begin is known: only new ones are not in sources_
    std::set<TopicId> matched_;  // by patterns_
    std::map<LogId, Source> sources_;
    std::uint32_t connection_ = 0;  // 0: none
    bool subscribed_ = false;       // on that connection
    std::uint32_t generation_ = 0;
    CreditReturns returns_;
};

}  // namespace casc::client
