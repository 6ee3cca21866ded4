#include "admin_run.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

namespace casc::test {

namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts)
        out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

std::string shown(const Words& words, const AdminRun& run) {
    std::string text = "casc-admin";
    for (const std::string& word : words)
        text += " " + word;
    return text + "\nexit code " + std::to_string(run.code) + "\nstdout: " + run.out +
           "\nstderr: " + run.err;
}

}  // namespace

AdminRun run_admin(const fs::path& folder, Words words, const std::string& input,
                   Variables variables) {
    // Files and not pipes: nothing can block, however much is written.
    const fs::path in = folder / "admin.in";
    const fs::path out = folder / "admin.out";
    const fs::path err = folder / "admin.err";
    std::ofstream(in, std::ios::binary) << input;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    const std::string program = CASC_ADMIN_PATH;
    words.insert(words.begin(), program);
    // The sanitizers' say what of librocksdb is not our finding.
    for (const char* name :
         {"PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"})
        if (const char* value = std::getenv(name)) variables.emplace(name, value);
    variables.emplace("CASC_CONFIG_DIR", (folder / "config").string());
    std::vector<std::string> environment;
    for (const auto& [name, value] : variables)
        environment.push_back(name + "=" + value);
    pid_t child = -1;
    const int failed = ::posix_spawn(&child, program.c_str(), &files, nullptr,
                                     pointers(words).data(), pointers(environment).data());
    posix_spawn_file_actions_destroy(&files);
    REQUIRE(failed == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(out), content(err)};
}

std::vector<boost::json::value> json_lines(const std::string& text) {
    std::vector<boost::json::value> values;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        boost::json::error_code failed;
        values.push_back(boost::json::parse(line, failed));
        REQUIRE_MESSAGE(!failed, "not JSON: " << line);
    }
    return values;
}

AdminRun AdminFixture::run(Words words, const std::string& input, Variables variables) {
    words.insert(words.end(), {"--endpoint", broker.endpoint(), "--timeout", "60s"});
    return run_admin(broker.folder(), std::move(words), input, std::move(variables));
}

boost::json::value AdminFixture::json(Words words, const std::string& input) {
    words.insert(words.end(), {"-o", "json"});
    const AdminRun done = run(words, input);
    REQUIRE_MESSAGE(done.code == 0, shown(words, done));
    boost::json::error_code failed;
    auto value = boost::json::parse(done.out, failed);
    REQUIRE_MESSAGE(!failed, shown(words, done));
    return value;
}

void AdminFixture::produce(const std::string& topic, const std::string& lines, Words more) {
    more.insert(more.begin(), {"produce", topic});
    const AdminRun done = run(more, lines);
    REQUIRE_MESSAGE(done.code == 0, shown(more, done));
}

}  // namespace casc::test
