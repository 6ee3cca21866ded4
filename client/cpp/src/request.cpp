// Client's own requests to responders.

#include "answers.hpp"

#include <casc/client/client.hpp>
#include <casc/wire/error_of.hpp>

namespace casc::client {
namespace {

// What several responders say, until the last word.
struct Gathering {
    Gathered gathered;
    std::uint32_t quorum = 0;

    void add(const wire::fb::ReplyPart& part, std::span<const std::byte> batch) {
        if (part.error() == 0) {
            gathered.results.push_back({part.responder(), Answer::open(batch, part.responder())});
            return;
        }
        gathered.results.push_back({part.responder(), wire::error_of(part)});
    }
    [[nodiscard]] Result<Gathered> finish(Result<Reply> reply) {
        if (!reply) return std::move(reply).error();
        CASC_TRY(const wire::fb::RequestReply* body,
                 wire::view<wire::fb::RequestReply>(reply->body));
        gathered.responders = body->responders();
        gathered.answers = body->answers();
        gathered.failures = body->failures();
        gathered.has_quorum = gathered.answers >= (quorum == 0 ? gathered.responders : quorum);
        return std::move(gathered);
    }
};

RequestHead gather_head(const Core& core, std::string_view subject, const GatherOptions& options) {
    RequestHead head = request_head(core, subject, options.timeout);
    head.mode = 1;
    head.quorum = options.quorum;
    return head;
}

Error in_own_callback() {
    return Error(ErrorCode::invalid_request, "a waiting call from the client's own callback");
}

}  // namespace

Result<Answer> Client::request(std::string_view subject, const Event& event,
                               std::optional<milliseconds> timeout) {
    if (in_callback()) return in_own_callback();
    struct {
        RequestWait wait;
        std::optional<Result<Answer>> answer;
    } state;
    request_and_wait(*core_, request_head(*core_, subject, timeout), event, state.wait,
                     [&state](Result<Reply> reply) {
                         state.answer.emplace(answer_of(std::move(reply)));
                         state.wait.finish();
                     });
    return *std::move(state.answer);
}

RequestId Client::request_async(std::string_view subject, const Event& event,
                                std::optional<milliseconds> timeout, AnswerCallback done) {
    return core_->requests().start(
        request_head(*core_, subject, timeout), event,
        [done = std::move(done)](Result<Reply> reply) { done(answer_of(std::move(reply))); });
}

void Client::cancel(RequestId request) {
    core_->requests().cancel(request);
}

Result<Gathered> Client::gather(std::string_view subject, const Event& event,
                                const GatherOptions& options) {
    if (in_callback()) return in_own_callback();
    struct {
        RequestWait wait;
        Gathering gathering;
        std::optional<Result<Gathered>> outcome;
    } state;
    state.gathering.quorum = options.quorum;
    request_and_wait(
        *core_, gather_head(*core_, subject, options), event, state.wait,
        [&state](Result<Reply> reply) {
            state.outcome.emplace(state.gathering.finish(std::move(reply)));
            state.wait.finish();
        },
        [&state](const wire::fb::ReplyPart& part, std::span<const std::byte> batch) {
            state.gathering.add(part, batch);
        });
    return *std::move(state.outcome);
}

RequestId Client::gather_async(std::string_view subject, const Event& event,
                               const GatherOptions& options, GatherCallback done) {
    const auto gathering = std::make_shared<Gathering>();
    gathering->quorum = options.quorum;
    return core_->requests().start(
        gather_head(*core_, subject, options), event,
        [gathering, done = std::move(done)](Result<Reply> reply) {
            done(gathering->finish(std::move(reply)));
        },
        [gathering](const wire::fb::ReplyPart& part, std::span<const std::byte> batch) {
            gathering->add(part, batch);
        });
}

}  // namespace casc::client
