// The part of the consumer that knows positions the group has, and offsets the broker knows.
#include "consumer_impl.hpp"

namespace casc::client {
namespace {

Error no_group() {
    return Error(ErrorCode::invalid_request, "positions are a group's; there is none");
}

}  // namespace

ConsumerImpl::Positions ConsumerImpl::uncommitted() const {
    Positions all;
    for (const auto& [log, source] : subscription_.sources())
        if (source.position != source.committed) all.emplace_back(log, source.position);
    return all;
}

wire::fb::CommitT ConsumerImpl::commit_of(const Positions& positions) const {
    wire::fb::CommitT request;
    request.group = options_.group;
    request.member_id = member_id_;
    request.epoch = epoch_;
    for (const auto& [log, offset] : positions) {
        auto& row =
            request.positions.emplace_back(std::make_unique<wire::fb::PartitionPositionT>());
        row->topic_id = log.topic().value();
        row->partition = log.partition().value();
        row->lane = static_cast<std::uint8_t>(log.lane());
        row->offset = offset;
    }
    return request;
}

void ConsumerImpl::mark_committed(const Positions& positions) {
    for (const auto& [log, offset] : positions)
        if (Source* source = subscription_.find(log)) source->committed = offset;
}

Result<ConsumerImpl::Positions> ConsumerImpl::positions_to_commit() const {
    if (options_.group.empty()) return no_group();
    return uncommitted();
}

Result<void> ConsumerImpl::commit_now(const Positions& positions,
                                      std::optional<milliseconds> deadline) {
    if (options_.group.empty()) return no_group();
    if (positions.empty()) return {};
    CASC_TRY(const auto done, blocking_call(*core_, commit_of(positions), deadline));
    static_cast<void>(done);
    mark_committed(positions);
    return {};
}

Result<void> ConsumerImpl::commit(std::optional<milliseconds> deadline) {
    return commit_now(uncommitted(), deadline);
}

Result<void> ConsumerImpl::commit(const std::vector<Place>& places,
                                  std::optional<milliseconds> deadline) {
    Positions positions;
    for (const Place& place : places) {
        CASC_TRY(const LogId log, log_of(place.topic, place.partition, place.lane));
        positions.emplace_back(log, place.offset.value());
    }
    return commit_now(positions, deadline);
}

void ConsumerImpl::commit_async(std::function<void(Result<void>)> done) {
    const auto answer = [done](Result<void> outcome) {
        if (done) done(std::move(outcome));
    };
    if (options_.group.empty()) return answer(no_group());
    const auto positions = uncommitted();
    if (positions.empty()) return answer({});
    core_->request(wire::Api::commit, encoded(commit_of(positions)), {},
                   [answer](Result<Reply> reply) {
                       if (!reply) return answer(std::move(reply).error());
                       answer({});
                   });
    // Taken as done: if it fails the next commit of newer positions makes up for it, and close()
    // commits again.
    mark_committed(positions);
}

void ConsumerImpl::auto_commit_if_due() {
    if (!options_.auto_commit || options_.group.empty() || connection_ == 0) return;
    if (!wanted_topics_.empty() && !member_) return;
    const auto now = Steady::now();
    if (now < commit_at_) return;
    commit_at_ = now + options_.auto_commit_interval;
    const auto positions = uncommitted();
    if (positions.empty()) return;
    // Marked when the broker has said yes, so that a lost answer is made good by the next round.
    port_->send(connection_, wire::Api::commit, encoded(commit_of(positions)),
                [positions, connection = connection_](InboxPort& port, Result<Reply> reply) {
                    if (!reply) return;
                    port.tell({.kind = Notice::Kind::committed,
                               .connection = connection,
                               .committed = positions});
                });
}

Result<std::vector<Place>> ConsumerImpl::committed() {
    wire::fb::CommittedT request;
    request.group = options_.group;
    CASC_TRY(const auto reply, blocking_call(*core_, request));
    std::vector<Place> places;
    for (const auto& row : reply.positions) {
        const auto found = topics_.find(TopicId(row->topic_id));
        if (found == topics_.end() || row->lane >= kLaneCount)
            continue;  // of topics that this consumer never met
        places.push_back({found->second, PartitionId(row->partition), static_cast<Lane>(row->lane),
                          Offset(row->offset)});
    }
    return places;
}

Result<ConsumerImpl::Positions> ConsumerImpl::list_offsets(const std::vector<LogId>& logs,
                                                           std::uint8_t at, EpochNanos time) {
    wire::fb::ListOffsetsT request;
    for (const LogId log : logs) {
        auto& query = request.queries.emplace_back(std::make_unique<wire::fb::OffsetQueryT>());
        query->topic_id = log.topic().value();
        query->partition = log.partition().value();
        query->lane = static_cast<std::uint8_t>(log.lane());
        query->at = at;
        query->time_ns = time.value();
    }
    CASC_TRY(const auto reply, blocking_call(*core_, request));
    if (reply.answers.size() != logs.size()) return ErrorCode::malformed_message;
    Positions all;
    for (std::size_t i = 0; i < logs.size(); ++i) {
        if (reply.answers[i]->error != 0)
            return Error(static_cast<ErrorCode>(reply.answers[i]->error));
        all.emplace_back(logs[i], reply.answers[i]->offset);
    }
    return all;
}

}  // namespace casc::client
