#pragma once
// Copies events that nobody could settle to the topic where they are kept for people to look at.

#include "core.hpp"
#include "log_appender.hpp"

#include <casc/wire/batch_builder.hpp>

#include <string_view>

namespace casc::broker {

struct DeadLetter {
    std::string_view group;
    LogId origin;
    std::uint32_t attempts;
    std::string_view error;  // what the last member said
};

// Thread: owning shard.
class DeadLetters {
public:
    DeadLetters(Core& core, LogAppender& appender) : core_(core), appender_(appender) {}

    // Creates the topic when it is not there: durable, kept for ever. Fails with: invalid_request,
    // overloaded, storage errors.
    [[nodiscard]] Result<const Topic*> find_or_create(const std::string& topic);

    // Appends a copy of the event to the topic's first partition, same lane, with headers that say
    // where it comes from (docs/protocol.md, "Dead letters"). It becomes durable in the same
    // journal entry as rows of up to `rows_bytes` that are put right after it.
    [[nodiscard]] Result<void> append(const std::string& topic, const DeadLetter& letter,
                                      const wire::EventView& event, std::size_t rows_bytes);

private:
    Core& core_;
    LogAppender& appender_;
    wire::BatchBuilder builder_;
    std::vector<std::byte> batch_;
};

}  // namespace casc::broker
