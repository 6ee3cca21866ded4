#pragma once
// admin_run.hpp: the real casc-admin, run to its end.
//
//   AdminFixture admin;
//   CHECK(admin.run({"topic", "create", "orders"}).code == 0);
//   admin.json({"topic", "info", "orders"}).at("partitions")

#include "test_broker.hpp"

#include <boost/json.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace casc::test {

// A port that nobody may listen on.
inline constexpr const char* kNobody = "127.0.0.1:1";

struct AdminRun {
    int code = -1;
    std::string out;
    std::string err;
};

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

// Runs casc-admin with these words and nothing from the environment of the test but PATH and what
// the sanitizers are told; `folder` gets the files of its streams and is its configuration folder.
AdminRun run_admin(const std::filesystem::path& folder, Words words, const std::string& input = {},
                   Variables variables = {});

// Every line as JSON; fails the test when one is not.
std::vector<boost::json::value> json_lines(const std::string& text);

// A broker and a casc-admin that knows where it is.
// Thread: the test's.
struct AdminFixture {
    TestBroker broker;

    AdminFixture() = default;
    explicit AdminFixture(TestBrokerOptions options) : broker(std::move(options)) {}

    AdminRun run(Words words, const std::string& input = {}, Variables variables = {});
    // What it says with -o json on stdout; the test fails when it says no or something else.
    boost::json::value json(Words words, const std::string& input = {});
    // For the many that need some events first: a line each.
    void produce(const std::string& topic, const std::string& lines, Words more = {});
};

}  // namespace casc::test
