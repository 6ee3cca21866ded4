#pragma once
// All topics by name and number, and the rows that remember them.

#include "topic.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace casc::broker {

// Thread: owning shard. Topic pointers stay valid until the topic is removed.
class TopicRegistry {
public:
    explicit TopicRegistry(storage::Store& store) : store_(store) {}

    // Reads every row; once, at start.
    void load();
    // Logs of topics that are gone: a crash came between the entries of a removal. After every
    // load().
    [[nodiscard]] Result<void> erase_orphans();

    struct Created {
        const Topic* topic;
        JournalSequence sequence;  // durable with this entry
    };
    // Fails with: topic_exists, invalid_request, overloaded (too many), storage errors.
    [[nodiscard]] Result<Created> create(std::string_view name, const TopicSettings& settings,
                                         EpochNanos now, std::size_t topics_max);
    [[nodiscard]] Result<JournalSequence> alter(TopicId id, const TopicSettings& settings);
    // The topic, its number and its events are gone; the number is never used again.
    [[nodiscard]] Result<JournalSequence> remove(TopicId id);

    [[nodiscard]] const Topic* find(TopicId id) const noexcept {
        return id.value() < by_id_.size() ? by_id_[id.value()].get() : nullptr;
    }
    [[nodiscard]] const Topic* find(std::string_view name) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return by_name_.size(); }
    // The number of the next topic to be created.
    [[nodiscard]] TopicId next_id() const noexcept {
        return TopicId(static_cast<std::uint32_t>(by_id_.size()));
    }

    // Visits topics in name order from the first name > `after` that starts with `prefix`, until
    // `visit` says false.
    void for_each(std::string_view prefix, std::string_view after,
                  const std::function<bool(const Topic&)>& visit) const;

private:
    [[nodiscard]] Result<JournalSequence> write_row(const Topic& topic);

    storage::Store& store_;
    wire::Encoder encoder_;
    std::vector<std::unique_ptr<Topic>> by_id_{1};  // index 0 stays empty: ids start at 1
    std::map<std::string_view, Topic*, std::less<>> by_name_;  // views into the topics' own names
};

}  // namespace casc::broker
