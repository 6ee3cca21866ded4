#pragma once
// casc/client/async.hpp: the client for programs built on Boost.Asio. Link casc::client_async. The
// only public header that knows Asio.
//
//   auto topics = co_await async_call(*client, wire::fb::ListTopicsT{}, asio::use_awaitable);
//   auto delivery = async_send(producer, {.payload = bytes}, asio::use_future);       // a future
//   async_poll(consumer, 500, 100ms, [](Result<EventBatch> events) { ... });          // a callback
//
// Every operation takes any completion token and completes with one Result, on the executor
// associated with the handler (a coroutine's own, say); without one, on the client's I/O thread,
// where nothing may block. An operation ends with its deadline; there is no other cancellation.

#include <casc/client/call.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/system_executor.hpp>

#include <atomic>
#include <memory>
#include <mutex>

namespace casc::client {

namespace detail {

// A handler that is completed from the I/O thread: moved to its own executor, which is kept busy
// until then. Copyable, because the client's callbacks are std::functions.
template <class Handler, class Value>
class Completion {
    using Executor = boost::asio::associated_executor_t<Handler>;

public:
    explicit Completion(Handler handler) : state_(std::make_shared<State>(std::move(handler))) {}

    // Exactly once.
    void operator()(Result<Value> result) const {
        auto state = state_;
        const auto busy =
            state->work;  // the handler may end its context before dispatch() has let go of it
        const Executor executor = busy.get_executor();
        boost::asio::dispatch(executor, [state, result = std::move(result)]() mutable {
            Handler handler = std::move(state->handler);
            state->work.reset();
            state.reset();
            std::move(handler)(std::move(result));
        });
    }
    [[nodiscard]] Executor executor() const { return state_->work.get_executor(); }
    // Keeps the executor busy; only before the completion.
    [[nodiscard]] auto busy() const { return state_->work; }

private:
    struct State {
        explicit State(Handler h)
            : handler(std::move(h)), work(boost::asio::get_associated_executor(handler)) {}
        Handler handler;
        boost::asio::executor_work_guard<Executor> work;
    };
    std::shared_ptr<State> state_;
};

// What the I/O thread holds of an operation that waits: it may come late, when the operation and
// even its context are gone, so it reaches them only in the round it was given to.
template <class Operation>
struct Bell {
    std::mutex
        mutex;  // of round, which the operation moves on before it does anything that may end it
    std::uint64_t round = 0;
    Operation* operation = nullptr;

    void ring(std::uint64_t of_round) {
        std::unique_lock lock(mutex);
        if (of_round != round) return;
        const auto busy =
            operation->busy();  // the context may not end before post() has let go of it
        auto waiting = operation->shared_from_this();
        lock.unlock();
        boost::asio::post(busy.get_executor(),
                          [waiting = std::move(waiting), of_round] { waiting->again(of_round); });
    }
    [[nodiscard]] std::uint64_t next_round() {
        const std::lock_guard lock(mutex);
        return ++round;
    }
};

// Waits until a poll finds something or the time is over, whichever comes first, without holding a
// thread.
template <class From, class Handler>
class PollOperation : public std::enable_shared_from_this<PollOperation<From, Handler>> {
public:
    PollOperation(From& consumer, std::size_t max_events, milliseconds timeout, Handler handler)
        : consumer_(consumer),
          max_events_(max_events),
          until_(std::chrono::steady_clock::now() + timeout),
          done_(std::move(handler)),
          timer_(done_.executor()) {
        bell_->operation = this;
    }

    void start() {
        boost::asio::dispatch(done_.executor(),
                              [self = this->shared_from_this()] { self->attempt(); });
    }

    // On the handler's executor, as is everything that touches the consumer.
    void attempt() {
        auto events = consumer_.poll(max_events_, milliseconds(0));
        if (!events || !events->empty() || std::chrono::steady_clock::now() >= until_)
            return done_(std::move(events));
        const std::uint64_t round = bell_->next_round();
        // Also without news now and then: rejoining and auto commit have their own times.
        timer_.expires_at(std::min(until_, std::chrono::steady_clock::now() + kLookAgain));
        timer_.async_wait(boost::asio::bind_executor(
            done_.executor(), [self = this->shared_from_this(), round](boost::system::error_code) {
                self->again(round);
            }));
        consumer_.when_ready([bell = bell_, round] { bell->ring(round); });
    }
    void again(std::uint64_t round) {
        if (round != bell_->round) return;  // the other of the two was first
        static_cast<void>(bell_->next_round());
        timer_.cancel();
        attempt();
    }
    [[nodiscard]] auto busy() const { return done_.busy(); }

private:
    static constexpr milliseconds kLookAgain{50};

    using Executor = boost::asio::associated_executor_t<Handler>;
    From& consumer_;
    const std::size_t max_events_;
    const std::chrono::steady_clock::time_point until_;
    const Completion<Handler, EventBatch> done_;
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer_;
    const std::shared_ptr<Bell<PollOperation>> bell_ = std::make_shared<Bell<PollOperation>>();
};

}  // namespace detail

// Client::call(). Completes with Result<ReplyMessage>.
template <class Request, class Token>
auto async_call(Client& client, Request request, Token&& token,
                std::optional<milliseconds> deadline = {}) {
    using Message = typename wire::Rpc<Request>::ReplyMessage;
    return boost::asio::async_initiate<Token, void(Result<Message>)>(
        [&client, deadline](auto handler, Request r) {
            client.call_async(r, deadline,
                              detail::Completion<decltype(handler), Message>(std::move(handler)));
        },
        token, std::move(request));
}

// Producer::send() without waiting for room in this thread. Completes with Result<Delivery> when
// the event is delivered, or with the refusal. `event` must stay valid until it is accepted, so
// until completion at the latest.
template <class Token>
auto async_send(Producer& producer, const Event& event, Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<Delivery>)>(
        [&producer](auto handler, const Event& e) {
            const detail::Completion<decltype(handler), Delivery> done(std::move(handler));
            // Tries, and while there is no room again when some has come.
            struct Attempt {
                Producer& to;
                Event what;
                detail::Completion<decltype(handler), Delivery> done;
                void operator()() const {
                    auto accepted = to.try_send(what, done);
                    if (accepted) return;
                    if (accepted.error().code != ErrorCode::queue_full)
                        return done(std::move(accepted).error());
                    to.when_room(*this);
                }
            };
            Attempt{producer, e, done}();
        },
        token, event);
}

// Producer::flush(). Completes with Result<void>.
template <class Token>
auto async_flush(Producer& producer, Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<void>)>(
        [&producer](auto handler) {
            producer.flush_async(detail::Completion<decltype(handler), void>(std::move(handler)));
        },
        token);
}

// Client::request(). Completes with Result<Answer>. `event` is copied.
template <class Token>
auto async_request(Client& client, std::string_view subject, const Event& event, Token&& token,
                   std::optional<milliseconds> timeout = {}) {
    return boost::asio::async_initiate<Token, void(Result<Answer>)>(
        [&client, timeout](auto handler, std::string_view to, const Event& e) {
            client.request_async(to, e, timeout,
                                 detail::Completion<decltype(handler), Answer>(std::move(handler)));
        },
        token, subject, event);
}

// Client::gather(). Completes with Result<Gathered>. `event` is copied.
template <class Token>
auto async_gather(Client& client, std::string_view subject, const Event& event,
                  const GatherOptions& options, Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<Gathered>)>(
        [&client, options](auto handler, std::string_view to, const Event& e) {
            client.gather_async(
                to, e, options,
                detail::Completion<decltype(handler), Gathered>(std::move(handler)));
        },
        token, subject, event);
}

// poll() of a Consumer or a QueueConsumer. Completes with Result<EventBatch>; the views are valid
// until the next poll. The consumer is used on the handler's executor, which must run one thing at
// a time (one thread or a strand); one poll at a time.
template <class From, class Token>
auto async_poll(From& consumer, std::size_t max_events, milliseconds timeout, Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<EventBatch>)>(
        [&consumer, max_events, timeout](auto handler) {
            using Operation = detail::PollOperation<From, decltype(handler)>;
            auto operation =
                std::make_shared<Operation>(consumer, max_events, timeout, std::move(handler));
            operation->start();
        },
        token);
}

}  // namespace casc::client
