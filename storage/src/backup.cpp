#include "backup.hpp"

#include "store_format.hpp"

#include <casc/storage/store.hpp>

#include <rocksdb/utilities/checkpoint.h>

namespace casc::storage {

namespace {

namespace fs = std::filesystem;

std::string named(std::string text, const fs::path& path) {
    text.append(" '").append(path.string()).append("'");
    return text;
}

// Through RocksDB's door, so that every Disk is served.
Result<void> require_empty(rocksdb::Env& env, const fs::path& folder) {
    std::vector<std::string> names;
    const auto status = env.GetChildren(folder.string(), &names);
    if (status.IsNotFound() || status.IsPathNotFound()) return {};
    CASC_TRY_ROCKS(status, named("looking into", folder));
    std::erase_if(names, [](const std::string& name) { return name == "." || name == ".."; });
    if (names.empty()) return {};
    return Error(ErrorCode::invalid_request, named("not empty:", folder));
}

Result<std::uint64_t> bytes_in(rocksdb::Env& env, const fs::path& folder) {
    std::vector<rocksdb::Env::FileAttributes> files;
    CASC_TRY_ROCKS(env.GetChildrenFileAttributes(folder.string(), &files),
                   named("measuring", folder));
    std::uint64_t bytes = 0;
    for (const auto& file : files)
        bytes += file.size_bytes;
    return bytes;
}

Result<void> sync_folder(rocksdb::Env& env, const fs::path& folder) {
    std::unique_ptr<rocksdb::Directory> directory;
    CASC_TRY_ROCKS(env.NewDirectory(folder.string(), &directory), named("opening", folder));
    CASC_TRY_ROCKS(directory->Fsync(), named("syncing", folder));
    return {};
}

// Copied, never linked: what is restored must not share bytes with the backup that it came from.
Result<void> copy_file(rocksdb::Env& env, const fs::path& from, const fs::path& to) {
    const rocksdb::EnvOptions options;
    std::unique_ptr<rocksdb::SequentialFile> source;
    std::unique_ptr<rocksdb::WritableFile> target;
    CASC_TRY_ROCKS(env.NewSequentialFile(from.string(), &source, options), named("opening", from));
    CASC_TRY_ROCKS(env.NewWritableFile(to.string(), &target, options), named("creating", to));
    std::vector<char> buffer(1_MiB);
    for (;;) {
        rocksdb::Slice read;
        CASC_TRY_ROCKS(source->Read(buffer.size(), &read, buffer.data()), named("reading", from));
        if (read.empty()) break;
        CASC_TRY_ROCKS(target->Append(read), named("writing", to));
    }
    CASC_TRY_ROCKS(target->Fsync(), named("syncing", to));
    CASC_TRY_ROCKS(target->Close(), named("closing", to));
    return {};
}

Result<void> write_small_file(rocksdb::Env& env, const fs::path& path, const std::string& text) {
    CASC_TRY_ROCKS(rocksdb::WriteStringToFile(&env, text, path.string(), true),
                   named("writing", path));
    return sync_folder(env, path.parent_path());
}

}  // namespace

Result<std::uint64_t> make_backup(Rocks& rocks, const fs::path& target, JournalSequence applied) {
    rocksdb::Env& env = *rocks.env();
    CASC_TRY_VOID(require_empty(env, target));
    CASC_TRY_ROCKS(env.CreateDirIfMissing(target.string()), named("creating", target));
    rocksdb::Checkpoint* made = nullptr;
    CASC_TRY_ROCKS(rocksdb::Checkpoint::Create(&rocks.db(), &made), "preparing a backup");
    const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
    const fs::path database = target / rocks.directory().filename();
    CASC_TRY_ROCKS(checkpoint->CreateCheckpoint(database.string()), "making a backup");
    CASC_TRY_VOID(sync_folder(env, target));
    CASC_TRY(const auto bytes, bytes_in(env, database));
    StoreFormat format;
    format.restored = applied;
    CASC_TRY_VOID(write_small_file(env, target / "FORMAT", format.text()));
    return bytes;
}

Result<void> restore_store(Disk& disk, const fs::path& backup, const fs::path& directory) {
    CASC_TRY(const auto report, verify_store(disk, backup, {}));
    if (!report.damage.empty())
        return Error(ErrorCode::data_corrupt,
                     named("the backup in", backup).append(": ").append(report.damage.front()));
    CASC_TRY(const auto format, disk.read_file(backup / "FORMAT"));

    const auto file_system = disk.rocksdb_file_system();
    const auto own_env =
        file_system == nullptr
            ? nullptr
            : rocksdb::NewCompositeEnv(std::static_pointer_cast<rocksdb::FileSystem>(file_system));
    rocksdb::Env& env = own_env ? *own_env : *rocksdb::Env::Default();
    CASC_TRY_VOID(require_empty(env, directory));
    const fs::path from = backup / "rocks";
    const fs::path to = directory / "rocks";
    if (auto made = disk.make_directories(to); !made)
        return Error(ErrorCode::data_unwritable, made.error().detail);
    std::vector<std::string> names;
    CASC_TRY_ROCKS(env.GetChildren(from.string(), &names), named("listing", from));
    for (const auto& name : names) {
        if (name == "." || name == "..") continue;
        CASC_TRY_VOID(copy_file(env, from / name, to / name));
    }
    CASC_TRY_VOID(sync_folder(env, to));
    // Last: without it the folder is not a store, see Store::open.
    return disk.replace_file(directory / "FORMAT", format);
}

}  // namespace casc::storage
