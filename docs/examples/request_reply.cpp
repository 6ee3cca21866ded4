// Asks and answers. Start some responders and one requester:
//   casc-example-request-reply 127.0.0.1:7440 serve math.sum
//   casc-example-request-reply 127.0.0.1:7440 ask math.sum 1 2 3
//   casc-example-request-reply 127.0.0.1:7440 ask-all math.sum 1 2 3
// Without a responder, or when it dies with the request, the answer is an error at once; a
// responder that takes longer than the requester waits hears that nobody does any more.
#include <casc/client/client.hpp>
#include <casc/client/resilient_requester.hpp>

#include <charconv>
#include <csignal>
#include <iostream>
#include <string>

using namespace casc;
using namespace casc::client;
using namespace std::chrono_literals;

namespace {

volatile std::sig_atomic_t stop = 0;

int fail(const Error& why) {
    std::cerr << why.message() << '\n';
    return 1;
}

std::span<const std::byte> bytes(const std::string& text) {
    return std::as_bytes(std::span(text));
}

// "1 2 3" is 6.
Result<std::string> add_up(std::string_view numbers) {
    long sum = 0;
    while (!numbers.empty()) {
        long number = 0;
        const auto [end, error] =
            std::from_chars(numbers.data(), numbers.data() + numbers.size(), number);
        if (error != std::errc{})
            return Error(ErrorCode::invalid_request, "no number: " + std::string(numbers));
        sum += number;
        numbers.remove_prefix(static_cast<std::size_t>(end - numbers.data()));
        while (numbers.starts_with(' '))
            numbers.remove_prefix(1);
    }
    return std::to_string(sum);
}

int serve(Client& client, const std::string& subject) {
    ServeOptions options;
    options.subject = subject;
    options.open_max = 100;  // the others wait in the broker, or go to other responders
    auto responder = client.serve(options);
    if (!responder) return fail(responder.error());
    std::cout << "serving " << subject << std::endl;
    while (stop == 0) {
        const auto requests = responder->poll(100, 100ms);
        if (!requests) return fail(requests.error());
        for (const ReceivedRequest& request : *requests) {
            const auto payload = request.event.payload;
            const auto sum =
                add_up({reinterpret_cast<const char*>(payload.data()), payload.size()});
            // When that fails nobody waits for it any more.
            static_cast<void>(sum ? responder->answer(request.id, {.payload = bytes(*sum)})
                                  : responder->fail(request.id, sum.error()));
        }
    }
    return 0;
}

int ask(Client& client, const std::string& subject, const std::string& numbers) {
    // A second attempt when the responder dies, none when it says that these are no numbers.
    ResilienceOptions options;
    options.subject = subject;
    options.retry.pause_first = 100ms;
    ResilientRequester requester(client, options);
    const auto answer = requester.request({.payload = bytes(numbers)}, 5s);
    if (!answer) return fail(answer.error());
    std::cout << answer->text() << '\n';
    return 0;
}

int ask_all(Client& client, const std::string& subject, const std::string& numbers) {
    const auto gathered = client.gather(subject, {.payload = bytes(numbers)}, {.timeout = 2s});
    if (!gathered) return fail(gathered.error());
    for (const GatheredAnswer& result : gathered->results)
        std::cout << "responder " << result.responder << ": "
                  << (result.answer ? std::string(result.answer->text())
                                    : result.answer.error().message())
                  << '\n';
    std::cout << gathered->answers << " of " << gathered->responders << '\n';
    return gathered->has_quorum ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc < 4 ? "" : argv[2];
    if (what != "serve" && what != "ask" && what != "ask-all") {
        std::cerr << "usage: casc-example-request-reply ENDPOINT serve|ask|ask-all SUBJECT "
                     "[NUMBER...]\n";
        return 2;
    }
    std::signal(SIGINT, [](int) { stop = 1; });
    std::signal(SIGTERM, [](int) { stop = 1; });
    ClientOptions options;
    options.endpoints = {argv[1]};
    auto client = Client::connect(options);
    if (!client) return fail(client.error());

    std::string numbers;
    for (int i = 4; i < argc; ++i)
        numbers += (numbers.empty() ? "" : " ") + std::string(argv[i]);
    if (what == "serve") return serve(**client, argv[3]);
    return what == "ask" ? ask(**client, argv[3], numbers) : ask_all(**client, argv[3], numbers);
}
