#include "scenario.hpp"

#include "broker_process.hpp"
#include "consuming.hpp"
#include "inferring.hpp"
#include "ledger.hpp"
#include "producing.hpp"
#include "records.hpp"

#include <casc/types/clock.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

namespace casc::demo {

namespace {

using namespace std::chrono_literals;
namespace fb = wire::fb;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kRecordsMax = 100'000;
constexpr std::size_t kRecordsMin = 10'000;  // fewer than any Debian with a compiler has
constexpr std::uint32_t kPartitions = 4;
constexpr const char* kSpeedTopic = "full-speed";
constexpr double kPacedSeconds =
    4;  // of paced sending, so that there is a middle to kill the broker in
constexpr auto kFullSpeedTime = 3s;
constexpr auto kBrokerAway = 300ms;  // long enough for every client to notice
constexpr auto kPatience = 40s;

// Polls, because all that waits here is a person's eye.
template <class Done, class Show>
void wait_until(const char* what, Done done, Show show) {
    const auto deadline = Clock::now() + kPatience;
    while (!done()) {
        if (Clock::now() > deadline)
            throw std::runtime_error(std::string("gave up waiting for ") + what);
        show();
        std::this_thread::sleep_for(10ms);
    }
}

std::string text(const char* format, double value) {
    std::array<char, 64> out;
    std::snprintf(out.data(), out.size(), format, value);
    return out.data();
}

std::string per_second(const Throughput& t) {
    const double rate = static_cast<double>(t.events) / t.seconds;
    return grouped(static_cast<std::uint64_t>(rate)) + " events/s, " +
           text("%.0f MB/s", static_cast<double>(t.bytes) / t.seconds / 1e6);
}

std::int64_t percentile(const std::vector<std::int64_t>& sorted, double share) {
    const auto last = static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<std::size_t>(last * share)];
}

std::string percentiles(std::vector<std::int64_t> nanos) {
    if (nanos.empty()) return "nothing measured";
    std::sort(nanos.begin(), nanos.end());
    return "p50 " + duration_text(percentile(nanos, 0.5)) + ", p99 " +
           duration_text(percentile(nanos, 0.99)) + ", p99.9 " +
           duration_text(percentile(nanos, 0.999)) + ", max " + duration_text(nanos.back());
}

// Thread: main. Members in order of need: what is used by later ones stands first.
class Play {
public:
    Play(Screen& screen, std::filesystem::path models)
        : screen_(screen),
          models_(std::move(models)),
          records_(read_records(kRecordsMax)),
          sent_(records_) {
        if (records_.size() < kRecordsMin)
            throw std::runtime_error("this machine's package database is too small");
    }

    void run() {
        introduce();
        client_ = connect();
        create_topics();
        live_ = std::make_unique<Group>("live", broker_.endpoint(), records_);
        wait_until(
            "the group to assemble", [&] { return live_->assembled(); }, [] {});
        screen_.note("group 'live' reads along: " + std::to_string(kMemberCount) + " members");
        paced_end_ = records_.size() * 6 / 10;
        produce_through_a_crash();
        produce_the_rest();
        catch_up(*live_);
        read_the_backlog();
        full_speed();
        infer();
        stop_and_check();
    }

private:
    void introduce() {
        std::array<std::size_t, kLaneCount> lanes{};
        for (const Record& record : records_)
            ++lanes[static_cast<std::size_t>(record.lane)];
        screen_.heading("casc-broker, process " + std::to_string(broker_.pid()) + ", at " +
                        broker_.endpoint());
        std::string by_lane;
        for (std::size_t i = 0; i < kLaneCount; ++i) {
            by_lane += (i == 0 ? "" : ", ") + grouped(lanes[i]) + " " + std::string(kLaneNames[i]);
        }
        screen_.note(grouped(records_.size()) +
                     " records from this machine's package database: " + by_lane);
    }

    std::unique_ptr<client::Client> connect() {
        client::ClientOptions options;
        options.endpoints = {broker_.endpoint()};
        options.client_id = "demo";
        auto client = client::Client::connect(std::move(options));
        if (!client) throw std::runtime_error("cannot connect: " + client.error().message());
        return std::move(client).value();
    }

    void create_topics() {
        for (const char* name : {kTopics[0], kTopics[1], kSpeedTopic}) {
            fb::CreateTopicT create;
            create.name = name;
            create.settings = std::make_unique<fb::TopicSettingsT>();
            create.settings->partitions = kPartitions;
            if (const auto created = client_->call(create); !created)
                throw std::runtime_error(created.error().message());
        }
        screen_.note("topics " + std::string(kTopics[0]) + " and " + kTopics[1] + ", " +
                     std::to_string(kPartitions) +
                     " partitions each, four lanes in each partition");
    }

    void show_sending() {
        screen_.progress(
            "records stored, " + grouped(live_->ledger().distinct()) + " read by 'live'",
            sent_.acknowledged(), records_.size());
    }

    void produce_through_a_crash() {
        const double rate = static_cast<double>(paced_end_) / kPacedSeconds;
        screen_.heading(std::to_string(kProducerCount) + " producers send, " +
                        grouped(static_cast<std::uint64_t>(rate)) + " records a second");
        Producing producing(*client_, records_, sent_, 0, paced_end_, rate);
        wait_until(
            "half of it", [&] { return sent_.acknowledged() + sent_.failed() >= paced_end_ / 2; },
            [&] { show_sending(); });
        killed_at_ = mono_now();
        acknowledged_at_kill_ = sent_.acknowledged();
        broker_.kill_hard();
        screen_.note("kill -9, with " + grouped(acknowledged_at_kill_) +
                     " records acknowledged and more on their way");
        std::this_thread::sleep_for(kBrokerAway);
        const auto restart = Clock::now();
        broker_.start();
        recovery_ = Clock::now() - restart;
        wait_until(
            "the first acknowledgement after the crash",
            [&] { return sent_.acknowledged() > acknowledged_at_kill_; }, [&] { show_sending(); });
        // Clients have found it again a little later; what was sent until then has waited for the
        // broker.
        std::this_thread::sleep_for(kBrokerAway);
        normal_again_ = mono_now();
        screen_.note("started again: recovered and serving after " +
                     duration_text(std::chrono::nanoseconds(recovery_).count()));
        wait_until(
            "the paced records",
            [&] { return sent_.acknowledged() + sent_.failed() >= paced_end_; },
            [&] { show_sending(); });
        producing.join();
    }

    void produce_the_rest() {
        const auto start = Clock::now();
        const std::size_t before = sent_.acknowledged();
        Producing producing(*client_, records_, sent_, paced_end_, records_.size(), std::nullopt);
        wait_until(
            "the rest of the records",
            [&] { return sent_.acknowledged() + sent_.failed() >= records_.size(); },
            [&] { show_sending(); });
        producing.join();
        const std::chrono::nanoseconds taken = Clock::now() - start;
        screen_.note("the rest, " + grouped(sent_.acknowledged() - before) +
                     " records, as fast as it goes: " + duration_text(taken.count()));
    }

    void catch_up(Group& group) {
        // A group that never gets there is a failed check, not the end of the show.
        const auto deadline = Clock::now() + 15s;
        wait_until(
            "the group", [&] { return group.ledger().complete() || Clock::now() > deadline; },
            [&] {
                screen_.progress("records read by '" + group.name() + "'",
                                 group.ledger().distinct(), records_.size());
            });
    }

    void read_the_backlog() {
        screen_.heading("a second group finds all of it waiting, and gets what is critical first");
        const auto start = Clock::now();
        late_ = std::make_unique<Group>("late", broker_.endpoint(), records_);
        catch_up(*late_);
        const std::chrono::nanoseconds taken = Clock::now() - start;
        screen_.note("group 'late', " + std::to_string(kMemberCount) +
                     " members: " + grouped(late_->ledger().distinct()) + " records in " +
                     duration_text(taken.count()));
    }

    void full_speed() {
        screen_.heading(
            "full speed: the same records again and again, each acknowledged when it is on disk");
        written_ = produce_at_full_speed(*client_, records_, kSpeedTopic, kFullSpeedTime);
        screen_.note("written and durable: " + grouped(written_.events) + " events, " +
                     per_second(written_));
        read_ = read_everything(*client_, kSpeedTopic, kPartitions, written_.events);
        screen_.note("read back:           " + grouped(read_.events) + " events, " +
                     per_second(read_));
    }

    void infer() {
        if (models_.empty())
            return screen_.note(
                "no folder of models was named: the act with the model is left out");
        inferring_ = std::make_unique<Inferring>(screen_, *client_, broker_, models_);
        inferring_->run();
    }

    // What the broker itself says it holds in the two topics.
    std::uint64_t stored() {
        std::uint64_t events = 0;
        for (const char* name : kTopics) {
            fb::DescribeTopicT describe;
            describe.name = name;
            const auto topic = client_->call(describe);
            if (!topic) throw std::runtime_error(topic.error().message());
            for (const auto& log : topic->logs)
                events += log->visible_end - log->start;
        }
        return events;
    }

    void stop_and_check() {
        const std::uint64_t in_broker = stored();
        live_->stop();
        late_->stop();
        client_->close();
        const int exit_code = broker_.stop();
        const std::string count = grouped(records_.size());

        screen_.heading("checked");
        screen_.check("produced: " + count + " records by " + std::to_string(kProducerCount) +
                          " producers, every one acknowledged as durable",
                      check_produced(sent_));
        screen_.check("stored:   " + grouped(in_broker) + " events in " +
                          std::to_string(count_logs(sent_)) + " logs, none lost and none twice",
                      in_broker == records_.size() ? check_stored_order(sent_, records_)
                                                   : "the broker holds " + grouped(in_broker));
        for (const Group* group : {live_.get(), late_.get()})
            check_group(*group);
        screen_.check("priority: the backlog came critical first in every partition",
                      check_priority(late_->ledger()));
        screen_.check("crash:    SIGKILL after " + grouped(acknowledged_at_kill_) +
                          " acknowledged records, serving again in " +
                          duration_text(std::chrono::nanoseconds(recovery_).count()),
                      acknowledged_at_kill_ < records_.size()
                          ? ""
                          : "it came too late to interrupt anything");
        screen_.check(
            "speed:    " + per_second(written_) + " durable; " + per_second(read_) + " read",
            read_.events == written_.events && read_.bytes == written_.bytes
                ? ""
                : "read " + grouped(read_.events) + " of " + grouped(written_.events) + " events");
        screen_.check("latency:  sent to durable " + percentiles(acknowledge_latencies()), "");
        screen_.check("          sent to received " + percentiles(receive_latencies()), "");
        if (inferring_) inferring_->check();
        screen_.check("stopped:  SIGTERM drained the broker",
                      exit_code == 0 ? "" : "its exit code is " + std::to_string(exit_code));
    }

    void check_group(const Group& group) {
        const GroupLedger& ledger = group.ledger();
        const std::string again = ledger.redelivered() == 0 ? ""
                                                            : " (" + grouped(ledger.redelivered()) +
                                                                  " again after the crash)";
        std::string problem = check_received(sent_, ledger);
        screen_.check("received: " + grouped(ledger.distinct()) + " records by group '" +
                          group.name() + "', each unchanged" + again,
                      problem);
        screen_.check(
            "order:    group '" + group.name() + "' got every lane in order, without a gap",
            problem.empty() ? check_received_order(ledger) : "not checked");
    }

    // Of the paced records, without those that waited while the broker was away.
    bool undisturbed(std::size_t number, MonoNanos until) const {
        const MonoNanos from = sent_.entries()[number].sent;
        return number < paced_end_ && (until < killed_at_ || from > normal_again_);
    }

    std::vector<std::int64_t> acknowledge_latencies() const {
        std::vector<std::int64_t> nanos;
        for (std::size_t number = 0; number < paced_end_; ++number) {
            const SendLedger::Entry& entry = sent_.entries()[number];
            if (entry.acknowledged && undisturbed(number, entry.settled)) {
                nanos.push_back((entry.settled - entry.sent).value());
            }
        }
        return nanos;
    }

    std::vector<std::int64_t> receive_latencies() const {
        std::vector<std::int64_t> nanos;
        for (const GroupLedger::Receipt& receipt : live_->ledger().receipts()) {
            if (undisturbed(receipt.number, receipt.time)) {
                nanos.push_back((receipt.time - sent_.entries()[receipt.number].sent).value());
            }
        }
        return nanos;
    }

    Screen& screen_;
    const std::filesystem::path models_;
    const std::vector<Record> records_;
    SendLedger sent_;
    BrokerProcess broker_;
    std::unique_ptr<client::Client> client_;
    std::unique_ptr<Group> live_;
    std::unique_ptr<Group> late_;
    std::unique_ptr<Inferring> inferring_;
    std::size_t paced_end_ = 0;
    std::size_t acknowledged_at_kill_ = 0;
    MonoNanos killed_at_;
    MonoNanos normal_again_;
    Clock::duration recovery_{};
    Throughput written_;
    Throughput read_;
};

}  // namespace

void play(Screen& screen, const std::filesystem::path& models) {
    Play(screen, models).run();
}

}  // namespace casc::demo
