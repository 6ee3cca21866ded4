#include "fetch_path.hpp"

#include <algorithm>

namespace casc::broker {

namespace {

constexpr std::size_t kFetchBytesMax = 16_MiB;  // fits a frame: batches of at most 16 MiB and a small body
constexpr std::uint32_t kWaitMsMax = 300'000;

}  // namespace

FetchOperation::FetchOperation(Core& core, FetchPath& path, std::uint64_t number, const wire::fb::FetchT& request,
                               const Responder& responder)
    : core_(core),
      path_(path),
      number_(number),
      responder_(responder),
      bytes_min_(request.bytes_min),
      bytes_max_(std::min<std::size_t>(request.bytes_max == 0 ? 1_MiB : request.bytes_max, kFetchBytesMax)),
      deadline_(core.io) {
    sources_.reserve(request.sources.size());
    for (const auto& asked : request.sources) {
        Source source;
        source.asked = *asked;
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
        expired_ = true;
        path_.wake(number_);
    });
}

FetchOperation::~FetchOperation() {
    for (const Source& source : sources_)
        if (source.watching) core_.watch.remove(source.log, *this);
}

void FetchOperation::attempt() {
    for (std::size_t i = 0; i < sources_.size() && cold_reads_ == 0; ++i) read(i);
    if (cold_reads_ == 0 && complete()) answer();
}

void FetchOperation::read(std::size_t index) {
    Source& source = sources_[index];
    if (source.error != ErrorCode::ok || !source.batches.empty() || bytes_ >= bytes_max_) return;
    const auto state = core_.store.log_state(source.log);
    const Offset start = state ? state->start : Offset(0);
    const Offset visible_end = core_.visibility.visible_end(*source.topic, source.log);
    const Offset from(source.asked.offset);
    if (from < start || from > visible_end) {
        source.error = ErrorCode::offset_out_of_range;
        return;
    }
    if (from == visible_end) return;
    std::vector<storage::BatchRef> batches;
    if (core_.store.read_tail(source.log, from, visible_end, bytes_max_ - bytes_, batches))
        return take(source, std::move(batches));

    ++cold_reads_;
    core_.cold_reads.post(source.log, from, visible_end, bytes_max_ - bytes_,
                          [&path = path_, number = number_, index](Result<std::vector<storage::BatchRef>> answer) {
                              FetchOperation* self = path.find(number);
                              if (self == nullptr) return;
                              --self->cold_reads_;
                              Source& cold = self->sources_[index];
                              if (answer) {
                                  self->take(cold, *std::move(answer));
                              } else {
                                  cold.error = answer.error().code;
                              }
                              path.wake(number);
                          });
}

void FetchOperation::take(Source& source, std::vector<storage::BatchRef> batches) {
    // The first batch is taken whatever its size, so that an event larger than the client's bound can be read at all.
    for (auto& batch : batches) {
        if (bytes_ != 0 && bytes_ + batch.bytes.size() > bytes_max_) break;
        bytes_ += batch.bytes.size();
        source.bytes += batch.bytes.size();
        source.batches.push_back(std::move(batch));
    }
}

bool FetchOperation::complete() const noexcept {
    if (expired_ || bytes_ >= bytes_min_) return true;
    return std::any_of(sources_.begin(), sources_.end(), [](const Source& s) { return s.error != ErrorCode::ok; });
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
        if (source.topic != nullptr && core_.topics.find(TopicId(source.asked.topic_id)) != nullptr) {
            if (const auto state = core_.store.log_state(source.log)) fetched->start = state->start.value();
            fetched->visible_end = core_.visibility.visible_end(*source.topic, source.log).value();
        }
        attachments.insert(attachments.end(), source.batches.begin(), source.batches.end());
        reply.sources.push_back(std::move(fetched));
    }
    if (const auto session = responder_.session())
        session->send(wire::FrameKind::response, wire::Api::fetch, responder_.correlation_id(),
                      core_.encoder.encode(reply), attachments);
    path_.finish(number_);
}

void FetchOperation::on_visible(LogId, Offset) { path_.wake(number_); }

void FetchOperation::on_removed(LogId log) {
    for (Source& source : sources_)
        if (source.log == log) source.error = ErrorCode::unknown_topic;
    path_.wake(number_);
}

FetchOperation* FetchPath::find(std::uint64_t number) {
    const auto found = operations_.find(number);
    return found == operations_.end() ? nullptr : found->second.get();
}

void FetchPath::on_fetch(const wire::fb::FetchT& request, const Responder& responder) {
    if (request.sources.empty()) return responder.error(Error(ErrorCode::invalid_request, "no sources"));
    const std::uint64_t number = ++last_number_;
    auto operation = std::make_unique<FetchOperation>(core_, *this, number, request, responder);
    FetchOperation& kept = *operation;
    operations_.emplace(number, std::move(operation));
    kept.attempt();
    sweep();
}

bool FetchPath::run() {
    if (woken_.empty()) return false;
    attempting_.swap(woken_);
    for (const std::uint64_t number : attempting_)
        if (FetchOperation* operation = find(number)) {
            // A fetch whose client has gone has nobody to wait for.
            operation->attempt();
            sweep();
        }
    attempting_.clear();
    return true;
}

void FetchPath::sweep() {
    for (const std::uint64_t number : finished_) operations_.erase(number);
    finished_.clear();
}

void FetchPath::on_list_offsets(const wire::fb::ListOffsetsT& request, const Responder& responder) {
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
    const auto state = core_.store.log_state(place.log);
    if (!state) return storage::TimeLookup{Offset(0), EpochNanos(0)};
    const Offset visible_end = core_.visibility.visible_end(*place.topic, place.log);
    switch (query.at) {
        case 0: return storage::TimeLookup{state->start, EpochNanos(0)};
        case 1: return storage::TimeLookup{visible_end, state->last_append};
        case 2: {
            CASC_TRY(storage::TimeLookup found, core_.store.find_time(place.log, EpochNanos(query.time_ns)));
            found.offset = std::clamp(found.offset, state->start, visible_end);
            return found;
        }
        default: return Error(ErrorCode::invalid_request, "at must be 0, 1 or 2");
    }
}

}  // namespace casc::broker
