// casc-admin storage verify, backup, restore.

#include "commands.hpp"
#include "listing.hpp"
#include "progress.hpp"

#include <casc/storage/store.hpp>

#include <filesystem>

namespace casc::admin {

namespace {

namespace fs = std::filesystem;

// Held while the folder is read, so that no broker changes what is judged. A backup has no lock
// file, and none is made. Fails with: data_locked.
Result<std::unique_ptr<storage::Disk::Lock>> lock_if_used(storage::Disk& disk,
                                                          const fs::path& directory) {
    std::error_code failed;
    if (!fs::exists(directory / "LOCK", failed)) return std::unique_ptr<storage::Disk::Lock>();
    auto lock = disk.lock(directory / "LOCK");
    // A folder that may only be read can be verified, too.
    if (!lock && lock.error().code != ErrorCode::data_locked)
        return std::unique_ptr<storage::Disk::Lock>();
    return lock;
}

// Offline: nothing in the folder is changed.
Result<ExitCode> verify(Session& session, const std::string& directory) {
    CASC_TRY(const auto disk, storage::make_sync_disk());
    CASC_TRY(const auto lock, lock_if_used(*disk, directory));
    storage::VerifyReport report;
    {
        Progress progress("verifying", session.out());
        CASC_TRY(report, storage::verify_store(*disk, directory,
                                               [&](std::uint64_t done, std::uint64_t all) {
                                                   progress.show(done, all);
                                               }));
    }
    Document document;
    document.add("directory", "FOLDER", json::value(directory));
    document.add("whole", "WHOLE", report.damage.empty());
    document.add("logs", "LOGS", report.logs, Style::count);
    document.add("batches", "BATCHES", report.batches, Style::count);
    document.add("events", "EVENTS", report.events, Style::count);
    document.add("bytes", "SIZE", report.bytes, Style::bytes);
    document.add("journal_entries", "JOURNAL ENTRIES", report.journal_entries, Style::count);
    document.add("torn_entries", "TORN ENTRIES", report.torn_entries, Style::count);
    Listing damage{{{"finding", "FINDING"}}, {}};
    for (const std::string& finding : report.damage)
        damage.add({json::value(finding)});
    document.sections.push_back({"damage", "Damage", std::move(damage)});
    session.out().show(document);
    if (report.damage.empty()) return ExitCode::ok;
    return session.out().fail(
        Error(ErrorCode::data_corrupt,
              std::to_string(report.damage.size()) + " findings in " + directory),
        ExitCode::failed,
        "restore a backup into another folder: casc-admin storage restore BACKUP FOLDER");
}

// By the running broker, on its own host.
Result<ExitCode> backup(Session& session, const std::string& target) {
    fb::BackupT request;
    // A relative path means what it means here, which is right when the broker is on this machine.
    request.target = fs::absolute(target).lexically_normal().string();
    session.out().note("the broker writes to " + request.target + " on its own host");
    // As long as it takes: hours for terabytes, unless the user has said otherwise.
    CASC_TRY(const auto reply,
             session.call(request, session.options().timeout.value_or(std::chrono::hours(24))));
    Document document;
    document.add("target", "TARGET", json::value(request.target));
    document.add("bytes", "SIZE", reply.bytes, Style::bytes);
    session.out().done(document, "backed up " + format_bytes(static_cast<double>(reply.bytes)) +
                                     " to " + request.target);
    return ExitCode::ok;
}

struct RestoreOptions {
    std::string backup;
    std::string directory;
};

// Offline: verifies the backup first and writes only to an empty or missing folder.
Result<ExitCode> restore(Session& session, const RestoreOptions& options) {
    CASC_TRY(const auto disk, storage::make_sync_disk());
    session.out().note("verifying " + options.backup + ", then copying it");
    CASC_TRY_VOID(storage::restore_store(*disk, options.backup, options.directory));
    Document document;
    document.add("backup", "BACKUP", json::value(options.backup));
    document.add("directory", "FOLDER", json::value(options.directory));
    session.out().done(document, "restored; start a broker with --data " + options.directory);
    return ExitCode::ok;
}

}  // namespace

void add_storage_commands(Commands& commands) {
    CLI::App* storage = commands.noun("storage", "The data folder: verify, back up, restore");
    auto verified = std::make_shared<std::string>();
    CLI::App* verb =
        storage->add_subcommand("verify", "Walk every checksum of a folder that no broker uses");
    verb->add_option("FOLDER", *verified, "A data folder or a backup")->required();
    commands.on(verb, [verified](Session& session) { return verify(session, *verified); });

    auto target = std::make_shared<std::string>();
    verb = storage->add_subcommand("backup", "Have the running broker copy a consistent moment");
    verb->add_option("FOLDER", *target, "On the broker's host; empty or not there yet")->required();
    commands.on(verb, [target](Session& session) { return backup(session, *target); });

    auto options = std::make_shared<RestoreOptions>();
    verb = storage->add_subcommand("restore", "Put a backup into an empty folder, verified first");
    verb->add_option("BACKUP", options->backup, "What `storage backup` has made")->required();
    verb->add_option("FOLDER", options->directory, "The data folder to be; empty or not there yet")
        ->required();
    commands.on(verb, [options](Session& session) { return restore(session, *options); });
}

}  // namespace casc::admin
