#include "read_end.hpp"

#include <algorithm>

namespace casc::admin {

Result<TopicFacts> topic_facts(Session& session, const std::string& topic) {
    fb::DescribeTopicT question;
    question.name = topic;
    CASC_TRY(const auto reply, session.call(question));
    return TopicFacts{TopicId(reply.topic->topic_id),
                      reply.topic->settings->partitions.value_or(1)};
}

Result<std::vector<LogEnd>> log_ends(Session& session, const std::string& topic,
                                     const std::vector<PartitionId>& partitions) {
    fb::DescribeTopicT question;
    question.name = topic;
    CASC_TRY(const auto reply, session.call(question));
    std::vector<LogEnd> logs;
    for (const PartitionId partition : partitions) {
        for (const Lane lane : kLanes) {
            LogEnd& log = logs.emplace_back(
                LogEnd{topic, partition, lane, {}, {}, TopicId(reply.topic->topic_id)});
            for (const auto& info : reply.logs) {
                if (info->partition != partition.value() ||
                    info->lane != static_cast<std::uint8_t>(lane))
                    continue;
                log.start = Offset(info->start);
                log.end = Offset(info->visible_end);
            }
        }
    }
    return logs;
}

void ReadEnd::expect(std::vector<LogEnd> logs) {
    for (LogEnd& log : logs)
        if (log.start < log.end) logs_.push_back(std::move(log));
}

void ReadEnd::forget(const std::string& topic, PartitionId partition) {
    std::erase_if(
        logs_, [&](const LogEnd& log) { return log.topic == topic && log.partition == partition; });
}

bool ReadEnd::is_at_end(const client::Consumer& consumer, const LogEnd& log) {
    const auto position = consumer.position(log.topic, log.partition, log.lane);
    return position && !(*position < log.end);
}

bool ReadEnd::reached(const client::Consumer& consumer) const {
    return std::all_of(logs_.begin(), logs_.end(),
                       [&](const LogEnd& log) { return is_at_end(consumer, log); });
}

Result<void> ReadEnd::pass_gaps(Session& session, const client::Consumer& consumer) {
    for (auto log = logs_.begin(); log != logs_.end();) {
        const auto position = consumer.position(log->topic, log->partition, log->lane);
        if (!position || is_at_end(consumer, *log)) {
            ++log;
            continue;
        }
        fb::FetchT fetch;
        auto source = std::make_unique<fb::FetchSourceT>();
        source->topic_id = log->topic_id.value();
        source->partition = log->partition.value();
        source->lane = static_cast<std::uint8_t>(log->lane);
        source->offset = position->value();
        fetch.sources.push_back(std::move(source));
        fetch.bytes_max = 1;
        CASC_TRY(const auto reply, session.call(fetch));
        const bool is_gap = reply.sources.size() == 1 && reply.sources.front()->error == 0 &&
                            reply.sources.front()->bytes == 0;
        log = is_gap ? logs_.erase(log) : std::next(log);
    }
    return {};
}

}  // namespace casc::admin
