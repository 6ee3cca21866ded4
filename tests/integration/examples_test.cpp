// The programs in docs/examples, run as their comments say.

#include "tapper.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <spawn.h>
#include <sys/wait.h>

using namespace casc;
using namespace casc::test;

namespace {

// One of them, with what it prints in a file.
// Lifetime: whatever happens it is gone when the object is.
class Example {
public:
    Example(const TestBroker& broker, const std::string& name, std::vector<std::string> words,
            const std::string& input = "")
        : Example(broker.folder(), name, with_endpoint(broker, std::move(words)), input) {}
    // One that needs no broker beside it.
    Example(const std::filesystem::path& folder, const std::string& name,
            std::vector<std::string> words, const std::string& input = "")
        : out_(folder / (name + "-" + std::to_string(++last_) + ".out")) {
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, 1, out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                         0600);
        const std::filesystem::path in = out_.string() + ".in";
        std::ofstream(in, std::ios::binary) << input;
        posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
        words.insert(words.begin(), std::string(CASC_EXAMPLES_FOLDER) + "/casc-example-" + name);
        std::vector<char*> arguments;
        for (std::string& word : words)
            arguments.push_back(word.data());
        arguments.push_back(nullptr);
        REQUIRE(posix_spawn(&pid_, arguments[0], &files, nullptr, arguments.data(), environ) == 0);
        posix_spawn_file_actions_destroy(&files);
    }
    Example(const Example&) = delete;
    Example& operator=(const Example&) = delete;
    ~Example() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    [[nodiscard]] std::string printed() const {
        std::ifstream in(out_, std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void wait_for(const std::string& text) const {
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (printed().find(text) == std::string::npos) {
            REQUIRE_MESSAGE(std::chrono::steady_clock::now() < deadline, printed());
            std::this_thread::sleep_for(5ms);  // between two looks at a file
        }
    }
    // Ends by itself, or is asked to.
    int exit_code(bool ask = false) {
        if (ask) ::kill(pid_, SIGTERM);
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    static std::vector<std::string> with_endpoint(const TestBroker& broker,
                                                  std::vector<std::string> words) {
        words.insert(words.begin(), broker.endpoint());
        return words;
    }

    static inline int last_ = 0;
    const std::filesystem::path out_;
    pid_t pid_ = -1;
};

std::size_t times(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

}  // namespace

TEST_CASE("examples/pub_sub: to everybody, to one, and to those who come late") {
    TestBroker broker;
    CHECK(Example(broker, "pub-sub", {"ticks", "pub", "EUR=1.08"}).exit_code() == 0);
    CHECK(Example(broker, "pub-sub", {"ticks", "pub", "EUR=1.09"}).exit_code() == 0);
    Example anna(broker, "pub-sub", {"ticks", "sub", "anna"});
    Example bert(broker, "pub-sub", {"ticks", "sub", "bert"});
    anna.wait_for("ready");
    bert.wait_for("ready");
    CHECK(Example(broker, "pub-sub", {"ticks", "pub", "SEK=11.2", "anna"}).exit_code() == 0);
    CHECK(Example(broker, "pub-sub", {"ticks", "pub", "DKK=7.46"}).exit_code() == 0);
    anna.wait_for("DKK");
    bert.wait_for("DKK");
    CHECK(anna.exit_code(/*ask=*/true) == 0);
    CHECK(bert.exit_code(/*ask=*/true) == 0);
    CHECK(anna.printed() == "ready\nEUR=1.09\nSEK=11.2\nDKK=7.46\n");
    CHECK(bert.printed() == "ready\nEUR=1.09\nDKK=7.46\n");
    CHECK(Example(broker, "pub-sub", {"ticks"}).exit_code() == 2);
}

TEST_CASE("examples/push_pull: each job is done once, by whoever has room") {
    TestBroker broker;
    Example anna(broker, "push-pull", {"jobs", "pull"});
    Example bert(broker, "push-pull", {"jobs", "pull"});
    anna.wait_for("ready");
    bert.wait_for("ready");
    CHECK(Example(broker, "push-pull", {"jobs", "push", "1000"}).exit_code() == 0);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const auto done = [&] { return times(anna.printed() + bert.printed(), "done: job "); };
    while (done() < 1000) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        std::this_thread::sleep_for(5ms);  // between two looks at a file
    }
    CHECK(anna.exit_code(/*ask=*/true) == 0);
    CHECK(bert.exit_code(/*ask=*/true) == 0);
    CHECK(done() == 1000);
    for (int job = 0; job < 1000; ++job)
        CHECK(times(anna.printed() + bert.printed(), "job " + std::to_string(job) + "\n") == 1);
    CHECK(times(anna.printed(), "done") > 0);
    CHECK(times(bert.printed(), "done") > 0);
}

TEST_CASE("examples/exactly_once: each order has one invoice, however often it runs") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t orders = create_topic(raw, "orders");
    create_topic(raw, "invoices");
    must(produce(raw, orders, batch_of({"apples", "pears"})));
    CHECK(Example(broker, "exactly-once", {"orders", "invoices"}).exit_code() == 0);
    must(produce(raw, orders, batch_of({"plums"})));
    {
        Example killed(broker, "exactly-once", {"orders", "invoices"});  // wherever it is
    }
    CHECK(Example(broker, "exactly-once", {"orders", "invoices"}).exit_code() == 0);
    CHECK(Example(broker, "exactly-once", {"orders", "invoices"}).exit_code() == 0);
    const auto client = connect(broker);
    std::uint64_t invoices = 0;
    for (const auto& log : describe_topic(*client, "invoices").logs)
        invoices += log->visible_end - log->start;
    CHECK(invoices == 3);
}

TEST_CASE("examples/shared_state: several that add lose nothing, and a watch sees every step") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    create_topic(raw, "state", [](auto& settings) { settings.cleanup = 1; });
    Example watching(broker, "shared-state", {"state", "watch", "counter"});
    Example first(broker, "shared-state", {"state", "add", "counter", "20"});
    Example second(broker, "shared-state", {"state", "add", "counter", "20"});
    CHECK(first.exit_code() == 0);
    CHECK(second.exit_code() == 0);
    const auto client = connect(broker);
    const auto state = must(client->open_key_value("state"));
    const auto counter = must(state.get("counter"));
    REQUIRE(counter);
    CHECK(counter->value == "40");
    watching.wait_for("40");
}

TEST_CASE("examples/in_process: a program with its own broker keeps what it has stored") {
    const TestBroker broker;  // for its folder
    for (int run = 0; run < 2; ++run) {
        Example example(broker.folder(), "in-process", {(broker.folder() / "own").string()});
        CHECK(example.exit_code() == 0);
        CHECK(example.printed() == "reading 18.5\nreading 18.7\nreading 19.1\n");
    }
    CHECK(Example(broker.folder(), "in-process", {}).exit_code() == 2);
}

TEST_CASE("examples/produce, consume_group and replay: a topic as a log") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    create_topic(raw, "orders");
    Example anna(broker, "consume-group", {"orders", "billing"});
    Example produce(broker, "produce", {"orders"}, "apples\npears\nplums\n");
    CHECK(produce.exit_code() == 0);
    CHECK(produce.printed() == "3 events delivered\n");
    for (const char* fruit : {"apples", "pears", "plums"})
        anna.wait_for(fruit);
    CHECK(anna.exit_code(/*ask=*/true) == 0);

    Example again(broker, "replay", {"orders", "3600"});
    CHECK(again.exit_code() == 0);
    CHECK(again.printed() == "0/normal/0 apples\n0/normal/1 pears\n0/normal/2 plums\n");
    Example none(broker, "replay", {"orders", "0"});
    CHECK(none.exit_code() == 0);
    CHECK(none.printed().empty());
    CHECK(Example(broker, "replay", {"orders", "yesterday"}).exit_code() == 2);
}

TEST_CASE("examples/work_queue: work that fails comes again, and in the end is a dead letter") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    const std::uint32_t orders = create_topic(raw, "orders");
    Example worker(broker, "work-queue", {"orders", "mail"});
    must(produce(raw, orders, batch_of({"hello", "retry me", "fail for ever"})));
    worker.wait_for("done after 1: hello");
    worker.wait_for("done after 2: retry me");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const auto client = connect(broker);
    const auto buried = [&] {
        fb::DescribeTopicT request;
        request.name = "mail.dead";
        const auto topic = client->call(request);
        return topic && topic->topic->events == 1;
    };
    while (!buried())
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    CHECK(worker.exit_code(/*ask=*/true) == 0);
}

TEST_CASE("examples/request_reply: one is asked, or all are, and nobody answers for nobody") {
    TestBroker broker;
    CHECK(Example(broker, "request-reply", {"ask", "math.sum", "1", "2"}).exit_code() == 1);
    Example anna(broker, "request-reply", {"serve", "math.sum"});
    Example bert(broker, "request-reply", {"serve", "math.sum"});
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    const auto client = connect(broker);
    const auto serving = [&] {
        const auto services = must(client->call(fb::ListServicesT{})).services;
        return services.size() == 1 && services[0]->responders == 2;
    };
    while (!serving())
        REQUIRE(std::chrono::steady_clock::now() < deadline);
    Example ask(broker, "request-reply", {"ask", "math.sum", "1", "2", "39"});
    CHECK(ask.exit_code() == 0);
    CHECK(times(ask.printed(), "42") == 1);
    Example ask_all(broker, "request-reply", {"ask-all", "math.sum", "1", "2", "39"});
    CHECK(ask_all.exit_code() == 0);
    CHECK(times(ask_all.printed(), "42") == 2);
}

TEST_CASE("examples/later: once, at its time") {
    TestBroker broker;
    RawConnection raw(broker.endpoint());
    raw.hello();
    fb::CreateTopicT create;
    create.name = "reminders";
    create.settings = std::make_unique<fb::TopicSettingsT>();
    create.settings->dedup_window_ms = 3'600'000;
    must(raw.call(create));
    const auto says = [&](std::vector<std::string> words) {
        Example later(broker, "later", std::move(words));
        CHECK(later.exit_code() == 0);
        return later.printed();
    };
    CHECK(says({"reminders", "call anna"}) == "stored at offset 0\n");
    CHECK(says({"reminders", "call anna"}) == "was there already\n");
    CHECK(says({"reminders", "call bert", "200"}).starts_with("waits as schedule "));
    CHECK(says({"reminders", "call bert", "200"}) == "was there already\n");
    const auto client = connect(broker);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (describe_topic(*client, "reminders").topic->events < 2)
        REQUIRE(std::chrono::steady_clock::now() < deadline);
}
