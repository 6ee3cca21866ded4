#include "child_process.hpp"

#include "scratch_folder.hpp"
#include "text.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>

using namespace casc::bench::compare;
using namespace std::chrono_literals;
using casc::bench::ScratchFolder;
using casc::test::contains;

namespace {

struct ShellFixture {
    ScratchFolder folder{std::filesystem::current_path()};

    Command shell(const std::string& script) const {
        return {.name = "shell",
                .program = "/bin/sh",
                .arguments = {"-c", script},
                .environment = {"CASC_TEST_WORD=word"},
                .folder = folder.path()};
    }
};

bool is_running(pid_t process) {
    return ::kill(process, 0) == 0 || errno != ESRCH;
}

}  // namespace

TEST_CASE_FIXTURE(ShellFixture, "bench/child: its exit status, output and environment are seen") {
    ChildProcess child(shell("echo $CASC_TEST_WORD; exit 3"));
    CHECK(child.wait(10s) == 3);
    CHECK(child.output() == "word\n");
}

TEST_CASE_FIXTURE(ShellFixture, "bench/child: what it complained of is in the error") {
    ChildProcess child(shell("echo no room >&2; kill -9 $$"));
    std::string error;
    try {
        static_cast<void>(child.wait(10s));
    } catch (const std::runtime_error& ended) {
        error = ended.what();
    }
    CHECK(contains(error, "signal 9 ended it"));
    CHECK(contains(error, "no room"));
}

TEST_CASE_FIXTURE(ShellFixture, "bench/child: it ends with the object, and those that it started") {
    pid_t grandchild = 0;
    adopt_orphans();
    {
        ChildProcess child(shell("sleep 600 & echo $!; wait"));
        CHECK_THROWS_AS(static_cast<void>(child.wait(300ms)), std::runtime_error);
        grandchild = std::stoi(child.output());
        REQUIRE(is_running(grandchild));
    }
    end_orphans();
    CHECK_FALSE(is_running(grandchild));
}

TEST_CASE("bench/child: a program that is not there is not installed") {
    CHECK_THROWS_AS(static_cast<void>(find_program("casc-no-such-program")), NotInstalled);
    CHECK(find_program("sh").filename() == "sh");
}
