#include "inferring.hpp"

#include "records.hpp"

#include <casc/client/call.hpp>
#include <casc/types/clock.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace casc::demo {

namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
namespace fb = wire::fb;

constexpr const char* kModel = "sections";
constexpr const char* kAsked = "packages-to-judge";
constexpr const char* kAnswered = "sections-of-packages";
constexpr auto kModelPatience = 60s;
constexpr double kRightMin = 0.5;  // far above guessing, far below what it reaches

template <class T>
T must(Result<T> result, const std::string& what) {
    if (!result) throw std::runtime_error(what + ": " + result.error().message());
    return std::move(result).value();
}
void must(const Result<void>& result, const std::string& what) {
    if (!result) throw std::runtime_error(what + ": " + result.error().message());
}

std::span<const std::byte> payload_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

std::string request_text(std::size_t number, const std::string& prompt) {
    return json::serialize(json::object{{"id", std::to_string(number)},
                                        {"method", "classify"},
                                        {"params", json::object{{"prompt", prompt}}}});
}

}  // namespace

Inferring::Inferring(Screen& screen, client::Client& client, BrokerProcess& broker,
                     std::filesystem::path models)
    : screen_(screen), client_(client), broker_(broker), models_(std::move(models)) {
    for (const Package& package : installed_packages())
        requests_.push_back(
            {package.lane, package.name + ": " + package.description, package.section});
}

void Inferring::run() {
    screen_.heading("a model names the section of every package that is installed here");
    put_model_in_place();
    create_topics();
    send_requests();
    const MonoNanos start = mono_now();
    load_model();
    wait_for(requests_.size() / 3);
    broker_.kill_hard();
    screen_.note("kill -9, with about a third of the answers written");
    broker_.start();
    load_model();
    wait_for(requests_.size());
    taken_ = std::chrono::nanoseconds((mono_now() - start).value());
    read_answers();
}

// Beside its files stands how it is served here: requests are events, and so are answers.
void Inferring::put_model_in_place() const {
    namespace fs = std::filesystem;
    const fs::path place = broker_.models_folder() / kModel / "1";
    fs::create_directories(place);
    for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"})
        fs::copy_file(models_ / kModel / "1" / file, place / file);
    std::ofstream(place / "casc-model.toml")
        << "topic = \"" << kAsked << "\"\nresults = \"" << kAnswered << "\"\ntimeout_ms = 600000\n";
}

void Inferring::create_topics() {
    for (const char* name : {kAsked, kAnswered}) {
        fb::CreateTopicT create;
        create.name = name;
        must(client_.call(create), std::string("creating ") + name);
    }
}

void Inferring::send_requests() {
    auto producer = must(client_.make_producer(kAsked), "a producer");
    for (std::size_t i = 0; i < requests_.size(); ++i) {
        const std::string text = request_text(i, requests_[i].prompt);
        must(producer.send({.payload = payload_of(text), .lane = requests_[i].lane}), "sending");
    }
    must(producer.close(kModelPatience), "sending");
    screen_.note(grouped(requests_.size()) + " requests wait, on four lanes");
}

void Inferring::load_model() {
    const std::string text = json::serialize(json::object{{"op", "load"}, {"name", kModel}});
    // Right after its start the broker's host of models may not listen yet.
    const auto deadline = std::chrono::steady_clock::now() + kModelPatience;
    for (;;) {
        const auto answer =
            client_.request("casc.models", {.payload = payload_of(text)}, kModelPatience);
        if (answer) break;
        if (!error_info(answer.error().code).retryable ||
            std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("loading the model: " + answer.error().message());
        std::this_thread::sleep_for(10ms);
    }
    screen_.note("model '" + std::string(kModel) + "' loaded: it takes what is critical first");
}

std::size_t Inferring::answers_so_far() {
    fb::DescribeTopicT describe;
    describe.name = kAnswered;
    const auto topic = client_.call(describe);
    if (!topic) return 0;  // on its way back
    std::size_t count = 0;
    for (const auto& log : topic->logs)
        count += log->visible_end - log->start;
    return count;
}

void Inferring::wait_for(std::size_t answers) {
    const auto deadline = std::chrono::steady_clock::now() + kModelPatience;
    for (std::size_t count = 0; count < answers; count = answers_so_far()) {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error("the model has answered " + grouped(count) + " of " +
                                     grouped(requests_.size()) + " requests");
        screen_.progress("answers written", count, requests_.size());
        std::this_thread::sleep_for(5ms);
    }
}

void Inferring::read_answers() {
    auto consumer = must(client_.make_consumer({}), "a consumer");
    std::vector<client::Place> places;
    for (const Lane lane : kLanes)
        places.push_back({kAnswered, PartitionId(0), lane, Offset(0)});
    must(consumer.assign(places), "reading answers");
    const std::size_t expected = answers_so_far();
    while (answers_.size() < expected) {
        const auto events = must(consumer.poll(1000, 10s), "reading answers");
        if (events.empty()) throw std::runtime_error("answers that are there cannot be read");
        for (const client::ConsumedEvent& consumed : events) {
            const auto payload = consumed.event.payload;
            const json::value answer = json::parse(
                std::string_view(reinterpret_cast<const char*>(payload.data()), payload.size()));
            const std::string id(answer.at("request_id").as_string());
            std::string label;
            if (answer.at("response").is_object()) {
                const json::object& result = answer.at("response").at("result").as_object();
                label = std::string(result.at("label").as_string());
                if (labels_.empty())
                    for (const auto& one : result.at("probabilities").as_object())
                        labels_.emplace_back(one.key());
            }
            answers_.push_back({std::stoul(id), label, consumed.event.append_time.value()});
        }
    }
}

std::string Inferring::each_answered_once() const {
    std::vector<unsigned> counts(requests_.size(), 0);
    std::size_t errors = 0;
    for (const Answer& answer : answers_) {
        if (answer.request >= counts.size()) return "an answer to a request that nobody made";
        ++counts[answer.request];
        errors += answer.label.empty() ? 1 : 0;
    }
    const auto missing = std::ranges::count(counts, 0u);
    const auto doubled = std::ranges::count_if(counts, [](unsigned count) { return count > 1; });
    if (missing + doubled != 0)
        return std::to_string(missing) + " have none, " + std::to_string(doubled) + " several";
    return errors == 0 ? "" : std::to_string(errors) + " answers are errors";
}

// Lower lanes have their share meanwhile, so that it is the middle one of each lane that counts.
std::string Inferring::critical_first() const {
    const auto middle_of = [this](Lane lane) {
        std::vector<std::int64_t> times;
        for (const Answer& answer : answers_)
            if (requests_[answer.request].lane == lane) times.push_back(answer.time);
        if (times.empty()) return std::int64_t{0};
        std::ranges::sort(times);
        return times[times.size() / 2];
    };
    std::int64_t before = 0;
    for (const Lane lane : kLanes) {
        const std::int64_t middle = middle_of(lane);
        if (middle == 0) continue;
        if (middle < before)
            return std::string(to_string(lane)) + " came before what is more urgent";
        before = middle;
    }
    return "";
}

double Inferring::share_right() const {
    std::size_t right = 0;
    for (const Answer& answer : answers_) {
        const std::string& section = requests_[answer.request].section;
        const bool is_known = std::ranges::find(labels_, section) != labels_.end();
        right += answer.label == (is_known ? section : "other") ? 1 : 0;
    }
    return static_cast<double>(right) /
           static_cast<double>(std::max<std::size_t>(1, answers_.size()));
}

void Inferring::check() const {
    const double share = share_right();
    const auto percent = static_cast<int>(share * 100 + 0.5);
    screen_.check("model:    " + grouped(requests_.size()) +
                      " requests, each answered exactly once through a SIGKILL, in " +
                      duration_text(taken_.count()),
                  each_answered_once());
    screen_.check("          what is critical was answered first", critical_first());
    screen_.check("          " + std::to_string(percent) +
                      " of 100 sections are as the package says (it has learnt from many of these)",
                  share >= kRightMin ? "" : "guessing would be about as good");
}

}  // namespace casc::demo
