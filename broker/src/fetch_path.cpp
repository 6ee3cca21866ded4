#include "fetch_path.hpp"

#include "batch_parts.hpp"
#include "stored_batch.hpp"

#include <algorithm>
#include <utility>

namespace casc::broker {

namespace {

constexpr std::size_t kFetchBytesMax =
    16_MiB;  // fits a frame: batches of at most 16 MiB and a small body
constexpr std::uint32_t kWaitMsMax = 300'000;
constexpr std::size_t kSourcesMax = 10'000;   // their part of the answer's body, at most 1 MiB
constexpr std::size_t kQueriesMax = 100'000;  // their answers fit a body
constexpr std::size_t kFetchesMax = 1'000;    // unanswered, of one connection

}  // namespace

FetchOperation::FetchOperation(Core& core, FetchPath& path, FetchKey key,
                               const wire::fb::FetchT& request, const Responder& responder)
    : core_(core),
      path_(path),
      key_(key),
      responder_(responder),
      bytes_min_(request.bytes_min),
      bytes_max_(std::min<std::size_t>(request.bytes_max == 0 ? 1_MiB : request.bytes_max,
                                       kFetchBytesMax)),
      deadline_(core.io) {
    sources_.reserve(request.sources.size());
    for (const auto& asked : request.sources) {
        Source source;
        source.asked = *asked;
        source.next = Offset(asked->offset);
        if (const auto place = core_.place(asked->topic_id, asked->partition, asked->lane)) {
            source.topic = place->topic;
            source.log = place->log;
            core_.watch.add(source.log, *this);
            source.watching = true;
        } else {
            source.error = place.error().code;
        }
        sources_.push_back(std::move(source));
    }
    const auto wait = std::chrono::milliseconds(std::min(request.max_wait_ms, kWaitMsMax));
    expired_ = wait.count() == 0;
    if (expired_) return;
    deadline_.expires_after(wait);
    deadline_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        expire();
    });
}

FetchOperation::~FetchOperation() {
    for (const Source& source : sources_)
        if (source.watching) core_.watch.remove(source.log, *this);
}

void FetchOperation::attempt() {
    for (std::size_t i = 0; i < sources_.size() && cold_reads_ == 0; ++i)
        read(i);
    if (cold_reads_ == 0 && complete()) answer();
}

void FetchOperation::expire() {
    expired_ = true;
    path_.wake(key_);
}

void FetchOperation::read(std::size_t index) {
    Source& source = sources_[index];
    if (source.error != ErrorCode::ok || full_) return;
    const auto state = core_.logs.state(source.log);
    const Offset start = state ? state->start : Offset(0);
    const Offset visible_end = core_.visibility.visible_end(*source.topic, source.log);
    if (source.next < start && !source.batches.empty())
        return;  // trimmed behind what is on its way already
    if (source.next < start || source.next > visible_end) {
        source.error = ErrorCode::offset_out_of_range;
        return;
    }
    std::vector<storage::BatchRef> batches;
    for (;;) {
        if (source.next == visible_end) return;
        batches.clear();
        if (!core_.logs.read_tail(source.log, source.next, visible_end, bytes_max_ - bytes_,
                                  batches))
            break;
        const Offset before = source.next;
        take(source, std::move(batches));
        // Unless all of them had been deleted: nothing would wake this up for what follows.
        if (source.bytes != 0 || source.next == before) return;
    }

    if (bytes_ != 0 && bytes_ >= bytes_min_)
        return;  // enough already; the disk would only keep the client waiting
    ++cold_reads_;
    core_.cold_reads.post(source.log, source.next, visible_end, bytes_max_ - bytes_,
                          [&path = path_, key = key_, index, until = visible_end](auto answer) {
                              FetchOperation* self = path.find(key);
                              if (self == nullptr) return;
                              --self->cold_reads_;
                              self->take_cold(index, until, std::move(answer));
                              path.wake(key);
                          });
}

void FetchOperation::take_cold(std::size_t index, Offset until,
                               Result<std::vector<storage::BatchRef>> answer) {
    Source& source = sources_[index];
    if (source.error != ErrorCode::ok) return;  // the topic has gone meanwhile
    if (!answer) {
        source.error = answer.error().code;
    } else if (answer->empty()) {
        source.next =
            until;  // a gap that a crash has left: asking the disk again would not fill it
    } else {
        take(source, *std::move(answer));
    }
}

void FetchOperation::take(Source& source, std::vector<storage::BatchRef> batches) {
    // The first batch is taken whatever its size, so that an event larger than the client's bound
    // can be read at all.
    for (auto& batch : batches) {
        full_ = bytes_ != 0 && bytes_ + batch.bytes.size() > bytes_max_;
        if (full_) return;
        const auto extent = stored_extent(batch);
        const Offset from = std::exchange(source.next, extent.end);
        const std::size_t before = source.batches.size();
        const bool is_divided = core_.deleted.next(source.log, extent.base, extent.end).has_value();
        if (is_divided) {
            source.next = add_not_deleted(core_, source.log, batch, from, source.batches);
        } else {
            source.batches.push_back(std::move(batch));
        }
        for (std::size_t i = before; i < source.batches.size(); ++i) {
            bytes_ += source.batches[i].bytes.size();
            source.bytes += source.batches[i].bytes.size();
        }
        // Each part takes more memory than its bytes: one batch of the kind is enough.
        if (is_divided && source.batches.size() != before) {
            full_ = true;
            return;
        }
    }
    full_ = bytes_ >= bytes_max_;
}

bool FetchOperation::complete() const noexcept {
    if (expired_ || full_ || bytes_ >= bytes_min_) return true;
    return std::any_of(sources_.begin(), sources_.end(),
                       [](const Source& s) { return s.error != ErrorCode::ok; });
}

void FetchOperation::answer() {
    wire::fb::FetchReplyT reply;
    std::vector<storage::BatchRef> attachments;
    for (Source& source : sources_) {
        auto fetched = std::make_unique<wire::fb::FetchedSourceT>();
        fetched->topic_id = source.asked.topic_id;
        fetched->partition = source.asked.partition;
        fetched->lane = source.asked.lane;
        fetched->error = static_cast<std::uint16_t>(source.error);
        fetched->bytes = static_cast<std::uint32_t>(source.bytes);
        if (source.topic != nullptr &&
            core_.topics.find(TopicId(source.asked.topic_id)) != nullptr) {
            if (const auto state = core_.logs.state(source.log))
                fetched->start = state->start.value();
            fetched->visible_end = core_.visibility.visible_end(*source.topic, source.log).value();
        }
        attachments.insert(attachments.end(), source.batches.begin(), source.batches.end());
        reply.sources.push_back(std::move(fetched));
    }
    if (const auto session = responder_.session())
        session->send(wire::FrameKind::response, wire::Api::fetch, responder_.correlation_id(),
                      core_.encoder.encode(reply), attachments);
    path_.finish(key_);
}

void FetchOperation::on_visible(LogId, Offset) {
    path_.wake(key_);
}

void FetchOperation::on_removed(LogId log) {
    for (Source& source : sources_)
        if (source.log == log) source.error = ErrorCode::unknown_topic;
    path_.wake(key_);
}

FetchOperation* FetchPath::find(FetchKey key) {
    const auto found = operations_.find(key);
    return found == operations_.end() ? nullptr : found->second.get();
}

void FetchPath::on_fetch(const wire::fb::FetchT& request, Session& session,
                         const Responder& responder) {
    if (request.sources.empty())
        return responder.error(Error(ErrorCode::invalid_request, "no sources"));
    if (request.sources.size() > kSourcesMax)
        return responder.error(
            Error(ErrorCode::invalid_request,
                  "a fetch has at most " + std::to_string(kSourcesMax) + " sources"));
    std::size_t& waiting = waiting_[session.number()];
    if (waiting >= kFetchesMax)
        return responder.error(
            Error(ErrorCode::overloaded,
                  std::to_string(kFetchesMax) + " fetches of this connection wait already"));
    ++waiting;
    const FetchKey key{session.number(), ++last_number_};
    auto operation = std::make_unique<FetchOperation>(core_, *this, key, request, responder);
    FetchOperation& kept = *operation;
    operations_.emplace(key, std::move(operation));
    kept.attempt();
    sweep();
}

void FetchPath::on_closed(const Session& session) {
    // Nobody is left to answer, or to hold what was read for.
    const auto first = operations_.lower_bound({session.number(), 0});
    const auto last = operations_.lower_bound({session.number() + 1, 0});
    operations_.erase(first, last);
    waiting_.erase(session.number());
}

void FetchPath::expire_all() {
    for (const auto& [key, operation] : operations_)
        operation->expire();
}

bool FetchPath::run() {
    if (woken_.empty()) return false;
    attempting_.swap(woken_);
    for (const FetchKey key : attempting_)
        if (FetchOperation* operation = find(key)) {
            operation->attempt();
            sweep();
        }
    attempting_.clear();
    return true;
}

void FetchPath::sweep() {
    for (const FetchKey key : finished_)
        if (operations_.erase(key) != 0) --waiting_[key.session];
    finished_.clear();
}

void FetchPath::on_list_offsets(const wire::fb::ListOffsetsT& request, const Responder& responder) {
    if (request.queries.size() > kQueriesMax)
        return responder.error(
            Error(ErrorCode::invalid_request,
                  "at most " + std::to_string(kQueriesMax) + " queries at a time"));
    wire::fb::ListOffsetsReplyT reply;
    for (const auto& query : request.queries) {
        auto answer = std::make_unique<wire::fb::OffsetAnswerT>();
        answer->topic_id = query->topic_id;
        answer->partition = query->partition;
        answer->lane = query->lane;
        if (const auto found = look_up(*query)) {
            answer->offset = found->offset.value();
            answer->time_ns = found->time.value();
        } else {
            answer->error = static_cast<std::uint16_t>(found.error().code);
        }
        reply.answers.push_back(std::move(answer));
    }
    responder.reply(reply);
}

Result<storage::TimeLookup> FetchPath::look_up(const wire::fb::OffsetQueryT& query) {
    CASC_TRY(const Core::Place place, core_.place(query.topic_id, query.partition, query.lane));
    const auto state = core_.logs.state(place.log);
    if (!state) return storage::TimeLookup{Offset(0), EpochNanos(0)};
    const Offset visible_end = core_.visibility.visible_end(*place.topic, place.log);
    switch (query.at) {
        case 0:
            return storage::TimeLookup{state->start, EpochNanos(0)};
        case 1:
            return storage::TimeLookup{visible_end, state->last_append};
        case 2: {
            CASC_TRY(storage::TimeLookup found,
                     core_.logs.find_time(place.log, EpochNanos(query.time_ns)));
            found.offset = std::clamp(found.offset, state->start, visible_end);
            return found;
        }
        default:
            return Error(ErrorCode::invalid_request, "at must be 0, 1 or 2");
    }
}

}  // namespace casc::broker
