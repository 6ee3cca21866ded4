// casc-admin storage: a backup of a running broker, verified, damaged, restored.

#include "admin_run.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace casc::test;
namespace fs = std::filesystem;

namespace {

struct BackupFixture : AdminFixture {
    fs::path backup = broker.folder() / "backup";

    BackupFixture() {
        REQUIRE(run({"topic", "create", "t", "-p", "2"}).code == 0);
        produce("t", "a\nb\nc\n", {"--partition", "1"});
        const auto done = json({"storage", "backup", backup.string()});
        CHECK(done.at("bytes").to_number<std::int64_t>() > 0);
    }

    AdminRun offline(Words words) { return run_admin(broker.folder(), std::move(words)); }
};

// The first file below `folder` that ends so.
fs::path file_like(const fs::path& folder, const std::string& ending) {
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.path().string().ends_with(ending)) return entry.path();
    return {};
}

void flip_a_byte(const fs::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(path) / 2);
    file.seekg(middle);
    const char byte = static_cast<char>(file.get());
    file.seekp(middle);
    file.put(static_cast<char>(byte ^ 0x40));
    REQUIRE(file.good());
}

}  // namespace

TEST_CASE_FIXTURE(BackupFixture,
                  "admin/storage: a backup is whole, and a broker serves from what was restored") {
    const AdminRun verified = offline({"storage", "verify", backup.string(), "-o", "json"});
    CHECK(verified.code == 0);
    const auto report = boost::json::parse(verified.out);
    CHECK(report.at("whole") == true);
    CHECK(report.at("events") == 3);
    CHECK(report.at("damage").as_array().empty());

    produce("t", "after the backup\n", {"--partition", "1"});
    const fs::path restored = broker.folder() / "restored";
    CHECK(offline({"storage", "restore", backup.string(), restored.string()}).code == 0);
    AdminFixture second(TestBrokerOptions{.data_directory = restored});
    CHECK(second.run({"consume", "t", "-f", "%p%v"}).out == "1a1b1c");
    CHECK(second.json({"topic", "info", "t"}).at("partitions") == 2);
}

TEST_CASE_FIXTURE(BackupFixture, "admin/storage: damage is found, named and not restored") {
    const fs::path victim = file_like(backup, ".sst");
    REQUIRE(!victim.empty());
    // A hard link would damage the running broker, too.
    fs::copy_file(victim, backup / "copy");
    fs::remove(victim);
    fs::rename(backup / "copy", victim);
    flip_a_byte(victim);
    const AdminRun verified = offline({"storage", "verify", backup.string(), "-o", "json"});
    CHECK(verified.code == 1);
    const auto report = boost::json::parse(verified.out);
    CHECK(report.at("whole") == false);
    CHECK(!report.at("damage").as_array().empty());
    CHECK(boost::json::parse(verified.err).at("error").at("code") == 5005);

    const fs::path restored = broker.folder() / "restored";
    CHECK(offline({"storage", "restore", backup.string(), restored.string()}).code == 1);
    CHECK((!fs::exists(restored) || fs::is_empty(restored)));
}

TEST_CASE_FIXTURE(BackupFixture,
                  "admin/storage: nothing is overwritten, and what is missing is said") {
    CHECK(run({"storage", "backup", backup.string()}).code != 0);
    const fs::path full = broker.folder() / "full";
    fs::create_directories(full);
    std::ofstream(full / "mine") << "precious";
    CHECK(offline({"storage", "restore", backup.string(), full.string()}).code != 0);
    CHECK(fs::file_size(full / "mine") == 8);
    CHECK(offline({"storage", "verify", (broker.folder() / "nowhere").string()}).code != 0);
}

TEST_CASE_FIXTURE(BackupFixture, "admin/storage: the folder of a running broker is not verified") {
    const AdminRun refused = offline({"storage", "verify", broker.data_directory().string()});
    CHECK(refused.code == 6);
    CHECK(refused.err.find("DATA_LOCKED") != refused.err.npos);
    REQUIRE(broker.terminate() == 0);
    const AdminRun verified = offline({"storage", "verify", broker.data_directory().string()});
    CAPTURE(verified.err);
    CHECK(verified.code == 0);
}
