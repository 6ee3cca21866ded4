#pragma once
// Request and reply: hands requests to those who serve their subject, and their answers back.
// Nothing of it is stored.
//
// The responder with the least open gets the next request. Requests for which nobody has room wait
// here, by lane, within bounds and until their deadline. Who is asked, answers to the broker, which
// knows who asked; what comes too late, twice or from somebody else is ignored.

#include "core.hpp"
#include "request_slots.hpp"
#include "request_wheel.hpp"

#include <boost/asio/steady_timer.hpp>

#include <unordered_map>

namespace casc::broker {

// Counted for /metrics.
struct RequestCounters {
    std::uint64_t requests = 0;
    std::uint64_t no_responders = 0;
    std::uint64_t overloaded = 0;
    std::uint64_t timeouts = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t responders_lost = 0;
    std::uint64_t failures = 0;  // said by responders
    std::uint64_t parts = 0;
    std::uint64_t answers_ignored = 0;
};

// Thread: owning shard.
class RequestRouter {
public:
    explicit RequestRouter(Core& core);

    // What responders say.
    void on_serve(const wire::fb::ServeT& request, Session& session, const Responder& responder);
    void on_stop_serving(const wire::fb::StopServingT& request, Session& session,
                         const Responder& responder);
    void on_answer(const wire::Frame& frame, Session& session);

    // What requesters say.
    void on_request(const wire::Frame& frame, Session& session);
    void on_cancel(const wire::Frame& frame, Session& session);
    void on_credit(const wire::Frame& frame, Session& session);

    void on_list(const wire::fb::ListServicesT& request, const Responder& responder) const;

    void on_closed(Session& session);
    void on_writable(Session& session);
    // The broker stops.
    void fail_all(ErrorCode why);

    // Whether since the last call a request was handed to its responder, or an answer back.
    [[nodiscard]] bool has_handed_on() noexcept { return std::exchange(handed_on_, false); }
    [[nodiscard]] const RequestCounters& counters() const noexcept { return counters_; }
    [[nodiscard]] std::size_t under_way() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
    [[nodiscard]] std::size_t waiting_bytes() const noexcept { return waiting_bytes_; }
    [[nodiscard]] std::size_t subjects() const noexcept { return subjects_.size(); }
    [[nodiscard]] std::size_t responders() const noexcept { return responders_; }

private:
    using State = RequestSlot::State;
    struct NameHash : std::hash<std::string_view> {
        using is_transparent = void;
        using std::hash<std::string_view>::operator();
    };
    // A message of the fast path, checked.
    struct Batch {
        std::span<const std::byte> bytes;
        Lane lane;
    };

    [[nodiscard]] Result<Batch> check(std::span<const std::byte> attachment) const;
    [[nodiscard]] RequestPeer* find_peer(const Session& session);
    [[nodiscard]] RequestPeer& peer_of(Session& session);
    [[nodiscard]] Result<Subject*> find_subject(std::string_view name);

    // ---- requests (request_path.cpp) ----
    // Notes a request; to be handed out then.
    [[nodiscard]] std::uint32_t admit(const wire::fb::Request& request, RequestPeer& requester,
                                      std::uint32_t correlation_id, Subject& subject, Lane lane,
                                      MonoNanos now);
    [[nodiscard]] Result<void> check_request(const wire::fb::Request& request,
                                             const RequestPeer& requester,
                                             const wire::FrameHeader& header) const;
    void ask_one(std::uint32_t id, std::span<const std::byte> batch);
    void wait(std::uint32_t id, std::span<const std::byte> batch);
    void copy_stamped(std::span<const std::byte> batch, std::span<std::byte> into) const;
    void ask_all(std::uint32_t id, std::span<const std::byte> batch, std::uint32_t quorum);

    // ---- handing out (request_router.cpp) ----
    // The responder that is next, or null when none has room.
    [[nodiscard]] Serving* next_ready(Subject& subject);
    void make_ready(Serving& serving);
    void open(std::uint32_t id, Serving& serving);
    // Room for the batch in the frame that tells the responder.
    [[nodiscard]] std::span<std::byte> push_call(std::uint32_t id, std::size_t batch_bytes);
    [[nodiscard]] std::span<const std::byte> call_body(std::uint32_t id);
    void serve_waiting(Subject& subject);
    // The responder has no longer to do with it.
    void release(std::uint32_t id);
    void tell_cancelled(std::uint32_t id, ErrorCode why);
    void erase_if_idle(Serving& serving);
    void remove_from_subject(Serving& serving);

    // ---- answers (request_answers.cpp) ----
    void on_part(std::uint32_t id, std::span<const std::byte> batch);
    void on_last(std::uint32_t id, std::span<const std::byte> batch);
    void on_failure(std::uint32_t id, const Error& why);
    void send_part(std::uint32_t id, bool more, std::span<const std::byte> batch);
    void send_failed_part(RequestPeer& requester, std::uint32_t correlation_id,
                          std::uint64_t responder, const Error& why);
    // A call of a gathering request has said its last word.
    void call_ended(std::uint32_t id, bool good);
    void finish_gather(std::uint32_t id, ErrorCode why);
    [[nodiscard]] bool takes_answers(const RequestPeer& requester) const noexcept;

    // ---- the end of a request ----
    // Answers with an error; its responders are told `why`.
    void fail(std::uint32_t id, const Error& error, ErrorCode why);
    // Takes it from its responders and forgets it, without a word to the requester.
    void drop(std::uint32_t id, ErrorCode why);
    void forget(std::uint32_t id);
    void expired(std::uint32_t id);
    void plan_expiry();

    Core& core_;
    RequestSlots slots_;
    DeadlineWheel deadlines_;
    boost::asio::steady_timer timer_;
    std::optional<MonoNanos> planned_;  // when timer_ fires
    std::unordered_map<std::string, std::unique_ptr<Subject>, NameHash, std::equal_to<>> subjects_;
    boost::unordered_flat_map<std::uint64_t, std::unique_ptr<RequestPeer>> peers_;
    std::uint64_t last_serving_ = 0;
    std::uint64_t last_given_ = 0;
    bool handed_on_ = false;
    std::size_t responders_ = 0;
    std::size_t waiting_ = 0;
    std::size_t waiting_bytes_ = 0;
    RequestCounters counters_;
};

}  // namespace casc::broker
