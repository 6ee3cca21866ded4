#pragma once
// A broker small enough to be wrong on purpose: it speaks the real protocol over a real socket,
// keeps its logs in memory, deduplicates as the real one does, and lets a test decide about each
// request before and after it is carried out: go on, refuse, stay silent, or cut the connection.

#include <casc/types/result.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/rpc.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace casc::test {

namespace fb = wire::fb;

struct Verdict {
    enum Kind { go, refuse, silent, cut } kind = go;
    ErrorCode code = ErrorCode::ok;
};

// Thread: the test's; hooks run on the broker's threads, one at a time.
class FakeBroker {
public:
    struct StoredBatch {
        std::vector<std::byte> bytes;
    };
    struct Log {
        std::vector<StoredBatch> batches;
        std::uint64_t start = 0;
        std::uint64_t end = 0;
    };
    struct Request {
        wire::FrameKind kind;
        wire::Api api;
        std::uint32_t correlation_id;
        std::vector<std::byte> body;
        std::vector<std::byte> attachments;
        unsigned connection;
    };
    using Hook = std::function<Verdict(const Request&)>;
    // Takes the hooks away at its end; afterwards none of them runs. Requests of a connection that
    // was cut can still arrive when the client has had every answer, so a case cannot know by
    // itself when that is.
    class HookScope {
    public:
        explicit HookScope(FakeBroker& broker) : broker_(broker) {}
        HookScope(const HookScope&) = delete;
        HookScope& operator=(const HookScope&) = delete;
        ~HookScope();

    private:
        FakeBroker& broker_;
    };

    // `endpoint`: empty for a free loopback port, or unix:///path.
    explicit FakeBroker(std::string endpoint = {});
    ~FakeBroker();

    [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
    std::uint32_t add_topic(const std::string& name, std::uint32_t partitions);
    // Asked before and after a request is carried out, for as long as the answer of this function
    // lives: what a case lends to its hooks must be declared before it. A reply is sent only when
    // both say go.
    [[nodiscard]] HookScope on_request(Hook before, Hook after = nullptr);
    // Closes every connection; new ones are welcome.
    void cut_all();
    // Closes the listener and all connections.
    void stop();
    // A frame nobody asked for, on every connection.
    void push(wire::Api api, std::span<const std::byte> body,
              std::span<const std::byte> attachments = {});
    template <class Message>
    void push_message(wire::Api api, const Message& message,
                      std::span<const std::byte> attachments = {}) {
        wire::Encoder encoder;
        push(api, encoder.encode(message), attachments);
    }
    // Appends as if a producer had.
    std::uint64_t append(LogId log, std::vector<std::byte> batch);

    // Waits until `condition` holds; it is looked at after every request. False after ten seconds.
    bool wait_until(const std::function<bool()>& condition);
    [[nodiscard]] std::vector<Request> requests(wire::Api api);
    [[nodiscard]] unsigned connections();
    [[nodiscard]] Log log(LogId id);
    [[nodiscard]] std::vector<std::string> payloads(LogId id);

    // Settings of the hello; set before a client connects.
    std::atomic<std::uint32_t> heartbeat_ms{1000};
    std::atomic<std::uint32_t> idle_timeout_ms{30000};

private:
    struct Connection {
        int fd;
        unsigned number;
        std::thread thread;
    };
    struct ProducerState {
        std::uint32_t epoch = 0;
        std::map<std::uint64_t, std::vector<std::array<std::uint64_t, 3>>>
            logs;  // sequence, count, offset
    };
    struct Subscription {
        fb::SubscribeT request;
        unsigned connection;
        std::map<std::uint64_t, std::uint64_t> next;  // log to offset
        std::int64_t credit_bytes = 0;
        std::int64_t credit_events = 0;
        std::uint32_t generation = 0;
    };

    void accept_loop();
    void serve(Connection& connection);
    bool handle(Connection& connection, const wire::Frame& frame);
    Result<std::vector<std::byte>> carry_out(const Request& request);
    Result<std::vector<std::byte>> produce(const Request& request);
    void subscribe(const Request& request);
    void update(const Request& request);
    void add_credit(const Request& request);
    void deliver();
    void send(int fd, wire::FrameKind kind, wire::Api api, std::uint32_t id,
              std::span<const std::byte> body, std::span<const std::byte> attachments = {});

    template <class Message>
    static std::vector<std::byte> encoded(const Message& message) {
        wire::Encoder encoder;
        const auto body = encoder.encode(message);
        return {body.begin(), body.end()};
    }

    std::string endpoint_;
    int listener_ = -1;
    std::thread acceptor_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Connection> connections_;
    unsigned connections_seen_ = 0;
    bool stopped_ = false;
    Hook before_, after_;
    std::vector<Request> requests_;
    std::map<std::string, std::pair<std::uint32_t, std::uint32_t>> topics_;  // id, partitions
    std::map<std::uint64_t, Log> logs_;
    std::map<std::uint64_t, ProducerState> producers_;
    std::map<std::string, std::uint64_t> named_producers_;
    std::uint64_t next_producer_ = 1;
    std::map<std::pair<unsigned, std::uint32_t>, Subscription> subscriptions_;
    std::map<std::array<std::uint64_t, 3>, std::uint64_t> committed_;  // topic, partition, lane

public:
    // Positions committed so far, by LogId.
    [[nodiscard]] std::map<std::uint64_t, std::uint64_t> committed();
    [[nodiscard]] std::int64_t credit_bytes_left();
};

// A batch as a producer would send it.
std::vector<std::byte> make_batch(const std::vector<std::string>& payloads,
                                  Lane lane = Lane::normal, wire::Codec codec = wire::Codec::none);

}  // namespace casc::test
