#pragma once
// casc/client/client.hpp: a connection to a broker, and what is made from it.
//
//   CASC_TRY(auto client, Client::connect({.endpoints = {"127.0.0.1:7440"}}));
//   CASC_TRY(auto producer, client->make_producer("orders"));

#include <casc/client/answer.hpp>
#include <casc/client/consumer.hpp>
#include <casc/client/key_value.hpp>
#include <casc/client/options.hpp>
#include <casc/client/producer.hpp>
#include <casc/client/queue_consumer.hpp>
#include <casc/client/reply.hpp>
#include <casc/client/reply_stream.hpp>
#include <casc/client/responder.hpp>
#include <casc/client/tap.hpp>
#include <casc/client/transaction.hpp>
#include <casc/types/result.hpp>
#include <casc/wire/frame.hpp>

#include <memory>
#include <optional>
#include <vector>

namespace casc::wire {
template <class Request>
struct Rpc;  // casc/wire/rpc.hpp
}  // namespace casc::wire
namespace casc::wire::fb {
struct HelloReplyT;  // casc/wire/messages.hpp
}  // namespace casc::wire::fb

namespace casc::client {

class Core;

// One per process is enough: it is thread-safe and carries many requests, producers and consumers
// at a time. It owns one I/O thread, "casc-client", which connects again (over the list of
// endpoints, with backoff and jitter) for as long as the client lives.
//
// Callbacks run on the I/O thread, or inside the poll() of a consumer or the send() of a producer
// without linger, which do the I/O themselves to save a wake-up; never two at a time. They must not
// block, nor wait for a lock that is held over such a call.
//
// Thread:   any. call() and close() must not be used from a callback (they would wait for
// themselves). Lifetime: producers and consumers made from it may outlive it; they then fail with
// `cancelled`.
class Client {
public:
    // Connects and shakes hands. Fails with: invalid_config, timeout (options.connect_timeout), and
    // with what the last endpoint said once all have refused.
    [[nodiscard]] static Result<std::unique_ptr<Client>> connect(ClientOptions options = {});
    explicit Client(std::shared_ptr<Core> core);  // used by connect()
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Sends any request of the protocol and waits for its answer. Whoever uses it includes
    // casc/client/call.hpp: the messages take a compiler as long as all the rest of the client.
    // While there is no connection it waits for one. Fails with: timeout (`deadline`, or
    // options.request_timeout), connection_closed (the connection broke before the answer: the
    // request may or may not have been carried out; one that only reads is asked once more before),
    // queue_full, cancelled, and what the broker
    // says.
    template <class Request>
    [[nodiscard]] Result<typename wire::Rpc<Request>::ReplyMessage> call(
        const Request& request, std::optional<milliseconds> deadline = {});

    // The same without waiting: `done(Result<ReplyMessage>)` runs where callbacks run, once.
    template <class Request, class Done>
    void call_async(const Request& request, std::optional<milliseconds> deadline, Done done);

    // The same with encoded bodies and with the answer's attachments, for bodies that no type above
    // describes.
    // `attachments`: batches.
    void call_raw(wire::Api api, std::span<const std::byte> body,
                  std::optional<milliseconds> deadline, ReplyCallback done,
                  std::span<const std::byte> attachments = {});

    // A producer for a topic that exists. Fails with: unknown_topic, invalid_config, and as call()
    // does.
    [[nodiscard]] Result<Producer> make_producer(std::string_view topic,
                                                 ProducerOptions options = {});

    // A consumer that reads nothing yet. Fails with: invalid_config, cancelled.
    [[nodiscard]] Result<Consumer> make_consumer(ConsumerOptions options = {});

    // A member of a queue group; waits until the group has taken it in. Fails with: invalid_config,
    // invalid_request (other topics than the group's), wrong_group_kind, timeout, cancelled.
    [[nodiscard]] Result<QueueConsumer> make_queue_consumer(QueueOptions options);

    // For writing several things at once. Fails with: invalid_config, and as call() does.
    [[nodiscard]] Result<Transactor> make_transactor(TransactorOptions options = {});
    // A compacted topic as keys and values. Fails with: unknown_topic, not_compacted, and as call()
    // does.
    [[nodiscard]] Result<KeyValue> open_key_value(std::string_view topic);

    // ---- request and reply ----
    // Asks a responder of the subject, the one with the least to do, and waits for its answer;
    // `event` is the request, its lane says how urgent it is. While there is no connection it waits
    // for one. Fails with: no_responders, overloaded (all are busy, and too many wait), timeout
    // (`timeout`, or options.request_timeout), responder_lost and connection_closed (may or may not
    // have been carried out), queue_full, cancelled, and what the responder says.
    [[nodiscard]] Result<Answer> request(std::string_view subject, const Event& event,
                                         std::optional<milliseconds> timeout = {});
    // The same without waiting. `event` is copied.
    RequestId request_async(std::string_view subject, const Event& event,
                            std::optional<milliseconds> timeout, AnswerCallback done);
    // A request that is under way ends with `cancelled`, and its responder is told. Nothing happens
    // when it has ended.
    void cancel(RequestId request);

    // Asks all responders that there are now, and waits until so many have answered as
    // options.quorum says, all have, or the time is over, which is no error: the result says who
    // has answered what. Fails as request() does; with no_responders also when there are fewer than
    // the quorum.
    [[nodiscard]] Result<Gathered> gather(std::string_view subject, const Event& event,
                                          const GatherOptions& options = {});
    RequestId gather_async(std::string_view subject, const Event& event,
                           const GatherOptions& options, GatherCallback done);

    // A request whose answer may come in many parts. Fails with: invalid_request, cancelled.
    [[nodiscard]] Result<ReplyStream> request_stream(std::string_view subject, const Event& event,
                                                     const StreamOptions& options = {});

    // Serves a subject; waits until the broker has agreed. Fails with: invalid_config,
    // invalid_request, timeout, cancelled.
    [[nodiscard]] Result<Responder> serve(ServeOptions options);
    // A tap; waits until it is set up, so that nothing that is produced after this call is missed.
    // Fails with: invalid_config, unknown_topic, not_supported (a start that is for volatile topics
    // only), invalid_request (a share with other topics or marks), timeout, cancelled.
    [[nodiscard]] Result<Tap> make_tap(TapOptions options);

    // What the broker said about itself when this client last connected.
    [[nodiscard]] wire::fb::HelloReplyT broker() const;

    // Fails everything that waits with `cancelled` and joins the I/O thread. Closing twice is
    // closing once.
    void close();

    [[nodiscard]] const std::shared_ptr<Core>& core() const noexcept { return core_; }

private:
    [[nodiscard]] bool in_callback() const noexcept;

    const std::shared_ptr<Core> core_;
};

}  // namespace casc::client
