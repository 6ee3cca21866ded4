// NATS: pull and push consumers of a stream, a subject, and requests.

#include "nats_client.hpp"

#include <stdexcept>

namespace casc::bench::compare {
namespace {

constexpr std::uint64_t kFetchEvents = 1000;

std::span<const std::byte> bytes_of(const NatsFrame& message) {
    return std::as_bytes(std::span(message.payload));
}

// Two fetches are on their way, so that the server never waits for us.
class PullReader final : public Reader {
public:
    PullReader(std::uint16_t port, const std::string& consumer, Acknowledging acknowledging)
        : connection_(port),
          inbox_("_INBOX." + consumer),
          acknowledges_each_(acknowledging == Acknowledging::each) {
        static_cast<void>(ask_jetstream(
            connection_, "CONSUMER.DURABLE.CREATE.events." + consumer,
            "{\"stream_name\":\"events\",\"config\":{\"durable_name\":\"" + consumer +
                "\",\"deliver_policy\":\"all\",\"ack_policy\":\"" +
                (acknowledges_each_ ? "explicit" : "all") + "\",\"max_ack_pending\":100000}}"));
        std::string frames;
        append_subscribe(frames, inbox_, 1);
        append_publish(fetch_, "$JS.API.CONSUMER.MSG.NEXT.events." + consumer, inbox_,
                       "{\"batch\":" + std::to_string(kFetchEvents) + "}");
        connection_.send(frames + fetch_ + fetch_);
    }

    void receive(const Take& take) override {
        if (!connection_.receive()) acknowledge_last();
        while (const auto message = connection_.next_message()) {
            if (const int status = status_of(*message); status != 0) {
                if (status >= 400)
                    throw std::runtime_error("JetStream has ended a fetch: " +
                                             std::string(message->headers));
                continue;
            }
            take(bytes_of(*message));
            last_.assign(message->reply);
            ++taken_;
            if (acknowledges_each_ || taken_ % kFetchEvents == 0) acknowledge_last();
            if (taken_ % kFetchEvents == 0) frames_ += fetch_;
        }
        if (frames_.empty()) return;
        connection_.send(frames_);
        frames_.clear();
    }

private:
    void acknowledge_last() {
        if (last_.empty()) return;
        append_publish(frames_, last_, {}, "+ACK");
        last_.clear();
    }

    NatsConnection connection_;
    const std::string inbox_;
    const bool acknowledges_each_;
    std::string fetch_;
    std::string frames_;  // to be sent when all that is there is taken
    std::string last_;    // where the latest event is acknowledged
    std::uint64_t taken_ = 0;
};

// The server asks now and then whether we keep up, and waits for the answer when it is far ahead.
class PushReader final : public Reader {
public:
    PushReader(std::uint16_t port, const std::string& consumer) : connection_(port) {
        const std::string subject = "deliver." + consumer;
        std::string frames;
        append_subscribe(frames, subject, 1);
        connection_.send(frames);
        static_cast<void>(ask_jetstream(
            connection_, "CONSUMER.CREATE.events",
            "{\"stream_name\":\"events\",\"config\":{\"deliver_subject\":\"" + subject +
                "\",\"deliver_policy\":\"all\",\"ack_policy\":\"none\",\"max_deliver\":1,"
                "\"flow_control\":true,\"idle_heartbeat\":5000000000,\"mem_storage\":true,"
                "\"num_replicas\":1,\"inactive_threshold\":60000000000}}"));
    }

    void receive(const Take& take) override {
        connection_.receive();
        while (const auto message = connection_.next_message()) {
            if (status_of(*message) == 0)
                take(bytes_of(*message));
            else
                answer(*message);
        }
    }

private:
    void answer(const NatsFrame& question) {
        constexpr std::string_view kStalled = "Nats-Consumer-Stalled: ";
        std::string_view to = question.reply;
        if (const auto at = question.headers.find(kStalled); at != question.headers.npos) {
            to = question.headers.substr(at + kStalled.size());
            to = to.substr(0, to.find('\r'));
        }
        if (to.empty()) return;
        std::string frame;
        append_publish(frame, to, {}, {});
        connection_.send(frame);
    }

    NatsConnection connection_;
};

class SubjectReader final : public Reader {
public:
    explicit SubjectReader(std::uint16_t port) : connection_(port) {
        std::string frames;
        append_subscribe(frames, kNatsSubject, 1);
        connection_.send(frames);
        connection_.settle();
    }

    void receive(const Take& take) override {
        connection_.receive();
        while (const auto message = connection_.next_message())
            take(bytes_of(*message));
    }

private:
    NatsConnection connection_;
};

constexpr std::string_view kRequests = "requests";
constexpr std::string_view kReplies = "_INBOX.replies";

class NatsRequester final : public Requester {
public:
    explicit NatsRequester(std::uint16_t port) : connection_(port) {
        append_subscribe(block_, kReplies, 1);
    }
    void put(std::span<const std::byte> payload) override {
        append_publish(block_, kRequests, kReplies,
                       {reinterpret_cast<const char*>(payload.data()), payload.size()});
    }
    void send() override {
        connection_.send(block_);
        block_.clear();
    }
    void receive(const Take& take) override {
        connection_.receive();
        while (const auto message = connection_.next_message()) {
            if (status_of(*message) != 0)
                throw std::runtime_error("NATS has found nobody to answer");
            take(bytes_of(*message));
        }
    }

private:
    NatsConnection connection_;
    std::string block_;
};

class NatsResponder final : public Responder {
public:
    explicit NatsResponder(std::uint16_t port) : connection_(port) {
        std::string frames;
        append_subscribe(frames, kRequests, 1);
        connection_.send(frames);
        connection_.settle();
    }
    void serve() override {
        connection_.receive();
        while (const auto message = connection_.next_message())
            append_publish(block_, message->reply, {}, message->payload);
        if (block_.empty()) return;
        connection_.send(block_);
        block_.clear();
    }

private:
    NatsConnection connection_;
    std::string block_;
};

}  // namespace

std::unique_ptr<Reader> make_pull_reader(std::uint16_t port, const std::string& consumer,
                                         Acknowledging acknowledging) {
    return std::make_unique<PullReader>(port, consumer, acknowledging);
}

std::unique_ptr<Reader> make_push_reader(std::uint16_t port, const std::string& consumer) {
    return std::make_unique<PushReader>(port, consumer);
}

std::unique_ptr<Reader> make_subject_reader(std::uint16_t port) {
    return std::make_unique<SubjectReader>(port);
}

std::unique_ptr<Requester> make_nats_requester(std::uint16_t port) {
    return std::make_unique<NatsRequester>(port);
}

std::unique_ptr<Responder> make_nats_responder(std::uint16_t port) {
    return std::make_unique<NatsResponder>(port);
}

}  // namespace casc::bench::compare
