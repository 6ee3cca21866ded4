#include "simulated_state.hpp"

#include <casc/storage/block.hpp>
#include <casc/types/assert.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace casc::storage::detail {

namespace {

constexpr std::size_t kSectorBytes = 512;

Error missing(const std::string& path) {
    return {ErrorCode::data_missing, "no file '" + path + "'"};
}
Error no_directory(const std::string& path) {
    return {ErrorCode::data_missing, "no directory '" + path + "'"};
}

}  // namespace

// --- names ---------------------------------------------------------------------------------------

std::string SimulatedState::normal(std::string_view path) {
    auto text = (std::filesystem::path("/") / path).lexically_normal().string();
    while (text.size() > 1 && text.back() == '/')
        text.pop_back();
    return text;
}

std::string SimulatedState::parent(std::string_view path) {
    return std::filesystem::path(path).parent_path().string();
}

SimulatedFileRef SimulatedState::find_locked(const std::string& path) const {
    const auto found = names_.find(path);
    return found == names_.end() ? nullptr : found->second;
}

Result<SimulatedFileRef> SimulatedState::find_or_fail_locked(const std::string& path) const {
    auto file = find_locked(path);
    if (file == nullptr) return missing(path);
    return file;
}

Result<SimulatedFileRef> SimulatedState::create_locked(const std::string& path) {
    if (auto file = find_locked(path)) return file;
    auto file = std::make_shared<SimulatedFile>();
    CASC_TRY_VOID(link_locked(path, file));
    changed_locked(*file);
    return file;
}

Result<void> SimulatedState::link_locked(const std::string& path, const SimulatedFileRef& file) {
    if (!is_directory_locked(parent(path))) return no_directory(parent(path));
    if (is_directory_locked(path))
        return Error(ErrorCode::io_failed, "'" + path + "' is a directory");
    change_locked({.directory = parent(path),
                   .names = {{path, file}},
                   .made_directory = {},
                   .removed_directory = {}});
    return {};
}

Result<void> SimulatedState::rename_locked(const std::string& from, const std::string& to) {
    if (!is_directory_locked(parent(to))) return no_directory(parent(to));
    NameChange change{
        .directory = parent(to), .names = {}, .made_directory = {}, .removed_directory = {}};
    if (const auto file = find_locked(from)) {
        change.names = {{from, nullptr}, {to, file}};
    } else if (is_directory_locked(from)) {
        // RocksDB makes a checkpoint in a directory beside its place and moves it there.
        if (!list_locked(to).has_value()) {
            change.made_directory = to;
            change.removed_directory = from;
        } else if (!list_locked(to)->empty()) {
            return Error(ErrorCode::io_failed, "directory '" + to + "' is not empty");
        }
        const auto prefix = from + "/";
        for (const auto& [name, entry] : names_) {
            if (!name.starts_with(prefix)) continue;
            change.names.emplace_back(name, nullptr);
            change.names.emplace_back(to + "/" + name.substr(prefix.size()), entry);
        }
    } else {
        return missing(from);
    }
    change_locked(std::move(change));
    recount_locked();  // `to` may have had a file
    return {};
}

Result<void> SimulatedState::remove_locked(const std::string& path) {
    if (find_locked(path) == nullptr) return missing(path);
    change_locked({.directory = parent(path),
                   .names = {{path, nullptr}},
                   .made_directory = {},
                   .removed_directory = {}});
    recount_locked();
    return {};
}

Result<void> SimulatedState::make_directory_locked(const std::string& path) {
    if (is_directory_locked(path)) return {};
    if (!is_directory_locked(parent(path))) return no_directory(parent(path));
    if (find_locked(path) != nullptr)
        return Error(ErrorCode::io_failed, "'" + path + "' is a file");
    change_locked(
        {.directory = parent(path), .names = {}, .made_directory = path, .removed_directory = {}});
    return {};
}

Result<void> SimulatedState::remove_directory_locked(const std::string& path) {
    CASC_TRY(const auto names, list_locked(path));
    if (!names.empty()) return Error(ErrorCode::io_failed, "directory '" + path + "' is not empty");
    change_locked(
        {.directory = parent(path), .names = {}, .made_directory = {}, .removed_directory = path});
    return {};
}

Result<std::vector<std::string>> SimulatedState::list_locked(const std::string& path) const {
    if (!is_directory_locked(path)) return no_directory(path);
    const auto prefix = path == "/" ? path : path + "/";
    std::vector<std::string> found;
    const auto collect = [&](const std::string& name) {
        if (!name.starts_with(prefix) || name.size() == prefix.size()) return;
        const auto rest = name.substr(prefix.size());
        if (rest.find('/') == std::string::npos) found.push_back(rest);
    };
    for (const auto& [name, file] : names_)
        collect(name);
    for (const auto& name : directories_)
        collect(name);
    std::sort(found.begin(), found.end());
    return found;
}

void SimulatedState::change_locked(NameChange change) {
    apply(change, names_, directories_);
    unsynced_.push_back(std::move(change));
    ++changes_;
}

void SimulatedState::apply(const NameChange& change, Names& names,
                           std::set<std::string>& directories) const {
    if (change.made_directory) directories.insert(*change.made_directory);
    for (const auto& [name, file] : change.names) {
        if (file == nullptr)
            names.erase(name);
        else if (directories.contains(parent(name)))
            names[name] = file;
    }
    if (change.removed_directory) directories.erase(*change.removed_directory);
}

void SimulatedState::sync_directory_locked(const std::string& path) {
    std::vector<NameChange> left;
    for (auto& change : unsynced_) {
        // A directory that is synced exists: journaling file systems commit its making with it, and
        // RocksDB, which never syncs the parent of its own folder, relies on that.
        const bool above =
            change.made_directory && (path + "/").starts_with(*change.made_directory + "/");
        const bool here = above || change.directory == path ||
                          std::any_of(change.names.begin(), change.names.end(),
                                      [&](const auto& name) { return parent(name.first) == path; });
        if (here)
            apply(change, durable_names_, durable_directories_);
        else
            left.push_back(std::move(change));
    }
    unsynced_ = std::move(left);
}

// --- bytes ---------------------------------------------------------------------------------------

bool SimulatedState::spend_power_locked() {
    if (writes_before_cut_ == ~std::uint64_t{0}) return true;
    if (writes_before_cut_ == 0) return false;
    --writes_before_cut_;
    return true;
}

// For changes that are made at once; a durable write counts in poll().
Result<void> SimulatedState::spend_or_cut_locked() {
    if (spend_power_locked()) return {};
    power_off_locked();
    return Error(ErrorCode::io_failed, "the power went");
}

Result<void> SimulatedState::check_write_locked(const std::string& path) {
    if (failures_left_ == 0 || path.find(failing_part_) == std::string::npos) return {};
    if (successes_first_ > 0) {
        --successes_first_;
        return {};
    }
    if (failures_left_ != ~std::uint64_t{0}) --failures_left_;
    return Error(ErrorCode::io_failed, "cannot write '" + path + "': told to fail");
}

Result<void> SimulatedState::take_room_locked(const std::string& path, std::uint64_t bytes) {
    if (bytes > free_bytes_locked())
        return Error(ErrorCode::disk_full, "no room for '" + path + "'");
    used_ += bytes;
    return {};
}

Result<void> SimulatedState::append_locked(SimulatedFile& file, const std::string& path,
                                           std::string_view data) {
    CASC_TRY_VOID(spend_or_cut_locked());
    CASC_TRY_VOID(check_write_locked(path));
    CASC_TRY_VOID(take_room_locked(path, data.size()));
    file.content.append(data);
    changed_locked(file);
    return {};
}

Result<void> SimulatedState::resize_locked(SimulatedFile& file, const std::string& path,
                                           std::size_t bytes) {
    CASC_TRY_VOID(spend_or_cut_locked());
    CASC_TRY_VOID(check_write_locked(path));
    if (bytes > file.content.size())
        CASC_TRY_VOID(take_room_locked(path, bytes - file.content.size()));
    if (bytes < file.content.size()) used_ -= file.content.size() - bytes;
    file.content.resize(bytes, '\0');
    file.synced_bytes = std::min(file.synced_bytes, bytes);
    changed_locked(file);
    return {};
}

Result<void> SimulatedState::sync_locked(SimulatedFile& file, const std::string& path) {
    CASC_TRY_VOID(spend_or_cut_locked());
    CASC_TRY_VOID(check_write_locked(path));
    file.synced_bytes = file.content.size();
    return {};
}

// What has a name counts; removing one is rare enough to count anew.
void SimulatedState::recount_locked() {
    std::set<const SimulatedFile*> seen;
    used_ = 0;
    for (const auto& [name, file] : names_)
        if (seen.insert(file.get()).second) used_ += file->content.size();
}

// --- durable writes ------------------------------------------------------------------------------

std::shared_ptr<SimulatedState::Writes> SimulatedState::make_writes_locked() {
    auto writes = std::make_shared<Writes>();
    queues_.push_back(writes);
    return writes;
}

Result<void> SimulatedState::complete_locked(SimulatedWrite& write) {
    if (write.lost)
        return Error(ErrorCode::io_failed, "cannot write '" + write.path + "': the power went");
    CASC_TRY_VOID(check_write_locked(write.path));
    std::memcpy(write.file->content.data() + write.position, write.data.data(), write.data.size());
    changed_locked(*write.file);
    return {};
}

// --- power ---------------------------------------------------------------------------------------

Result<void> SimulatedState::check_boot_locked(std::uint64_t boot) const {
    if (powered_ && boot == boot_) return {};
    return Error(ErrorCode::io_failed, "the power went");
}

void SimulatedState::power_off_locked() {
    part_from_handles_locked();
    crash_writes_locked();
    crash_names_locked();
    crash_tails_locked();
    recount_locked();
    locks_.clear();
    powered_ = false;
    writes_before_cut_ = ~std::uint64_t{0};
    ++boot_;
    ++changes_;
}

// From here on the names and the writes in flight have files of their own, and the handles that are
// open keep the old ones, to be read as they were.
void SimulatedState::part_from_handles_locked() {
    std::map<const SimulatedFile*, SimulatedFileRef> copies;
    const auto part = [&copies](SimulatedFileRef& file) {
        if (file == nullptr) return;
        auto& copy = copies[file.get()];
        if (copy == nullptr) copy = std::make_shared<SimulatedFile>(*file);
        file = copy;
    };
    for (auto* const names : {&names_, &durable_names_})
        for (auto& [name, file] : *names)
            part(file);
    for (auto& change : unsynced_)
        for (auto& [name, file] : change.names)
            part(file);
    for (const auto& queue : queues_) {
        if (const auto writes = queue.lock())
            for (auto& write : *writes)
                part(write.file);
    }
}

// Each block on its own: kept, lost, or some of its sectors kept.
void SimulatedState::crash_writes_locked() {
    for (const auto& queue : queues_) {
        const auto writes = queue.lock();
        if (writes == nullptr) continue;
        for (auto& write : *writes) {
            if (write.lost) continue;
            for (std::size_t block = 0; block < write.data.size(); block += kBlockAlignment) {
                const auto fate = draw_locked(0, 2);
                for (std::size_t sector = block; sector < block + kBlockAlignment;
                     sector += kSectorBytes) {
                    const bool kept = fate == 0 || (fate == 2 && draw_locked(0, 1) == 1);
                    if (kept)
                        std::memcpy(write.file->content.data() + write.position + sector,
                                    write.data.data() + sector, kSectorBytes);
                }
            }
            write.lost = true;
            write.data = {};
        }
    }
    std::erase_if(queues_, [](const auto& queue) { return queue.expired(); });
}

// Per directory, the changes up to a random one survive.
void SimulatedState::crash_names_locked() {
    std::map<std::string, std::size_t> survivors;
    for (const auto& change : unsynced_)
        ++survivors[change.directory];
    for (auto& [directory, count] : survivors)
        count = draw_locked<std::size_t>(0, count);
    for (const auto& change : unsynced_) {
        auto& left = survivors[change.directory];
        if (left == 0) continue;
        --left;
        if (durable_directories_.contains(change.directory))
            apply(change, durable_names_, durable_directories_);
    }
    unsynced_.clear();
    std::erase_if(durable_names_, [&](const auto& name) {
        return !durable_directories_.contains(parent(name.first));
    });
    names_ = durable_names_;
    directories_ = durable_directories_;
}

void SimulatedState::crash_tails_locked() {
    std::set<SimulatedFile*> seen;
    for (const auto& [name, file] : names_) {
        if (!seen.insert(file.get()).second || file->content.size() == file->synced_bytes) continue;
        file->content.resize(draw_locked(file->synced_bytes, file->content.size()));
        file->synced_bytes = file->content.size();
    }
}

void SimulatedState::fail_writes_locked(std::uint64_t count, std::string_view path_part,
                                        std::uint64_t succeed_first) {
    failures_left_ = count;
    failing_part_ = path_part;
    successes_first_ = succeed_first;
}

}  // namespace casc::storage::detail
