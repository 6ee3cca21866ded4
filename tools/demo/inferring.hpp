#pragma once
// inferring.hpp: the act with the model: every package of this machine is a request, the model
// names its section, the broker is killed in the middle, and each request has one answer.

#include "broker_process.hpp"
#include "screen.hpp"

#include <casc/client/client.hpp>
#include <casc/types/vocabulary.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace casc::demo {

// Thread: main.
class Inferring {
public:
    // `models` has the model: sections/1/. Throws std::runtime_error when the act cannot go on.
    Inferring(Screen& screen, client::Client& client, BrokerProcess& broker,
              std::filesystem::path models);

    void run();
    // Ticks for what it has shown.
    void check() const;

private:
    struct Request {
        Lane lane;
        std::string prompt;   // "name: description"
        std::string section;  // as the package says it
    };
    struct Answer {
        std::size_t request;
        std::string label;
        std::int64_t time;  // of being written
    };

    void put_model_in_place() const;
    void create_topics();
    void send_requests();
    void load_model();
    void wait_for(std::size_t answers);
    void read_answers();
    // Nothing when all is well.
    [[nodiscard]] std::string each_answered_once() const;
    [[nodiscard]] std::string critical_first() const;
    [[nodiscard]] double share_right() const;
    [[nodiscard]] std::size_t answers_so_far();

    Screen& screen_;
    client::Client& client_;
    BrokerProcess& broker_;
    const std::filesystem::path models_;
    std::vector<Request> requests_;
    std::vector<Answer> answers_;
    std::vector<std::string> labels_;
    std::chrono::nanoseconds taken_{};
};

}  // namespace casc::demo
