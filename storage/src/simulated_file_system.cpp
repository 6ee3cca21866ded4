#include "simulated_file_system.hpp"

#include "simulated_state.hpp"

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/io_status.h>

#include <algorithm>
#include <cstring>

namespace casc::storage::detail {

namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using StateRef = std::shared_ptr<SimulatedState>;

IOStatus to_status(const Error& error) {
    switch (error.code) {
        case ErrorCode::disk_full:
            return IOStatus::NoSpace(error.detail);
        case ErrorCode::data_missing:
            return IOStatus::PathNotFound(error.detail);
        default:
            return IOStatus::IOError(error.detail);
    }
}

template <class T>
IOStatus to_status(const Result<T>& result) {
    return result ? IOStatus::OK() : to_status(result.error());
}

// What every open file has: the power must not have gone since.
class Handle {
public:
    Handle(StateRef state, std::uint64_t boot, SimulatedFileRef file, std::string path)
        : state_(std::move(state)), boot_(boot), file_(std::move(file)), path_(std::move(path)) {}

protected:
    // Runs `act` under the lock when the power has not gone.
    template <class Act>
    IOStatus locked(const Act& act) const {
        const auto guard = state_->lock();
        if (const auto alive = state_->check_boot_locked(boot_); !alive) return to_status(alive);
        return act();
    }
    IOStatus read_at(std::uint64_t position, std::size_t bytes, rocksdb::Slice* result,
                     char* scratch) const {
        // Not asked whether the power is there: see SimulatedDisk::crash().
        const auto guard = state_->lock();
        const auto& content = file_->content;
        const auto first = std::min<std::size_t>(position, content.size());
        bytes = std::min(bytes, content.size() - first);
        std::memcpy(scratch, content.data() + first, bytes);
        *result = {scratch, bytes};
        return IOStatus::OK();
    }

    IOStatus write_at(std::uint64_t position, const rocksdb::Slice& data) {
        return locked([&] {
            const auto bytes = std::max<std::size_t>(file_->content.size(), position + data.size());
            auto status = to_status(state_->resize_locked(*file_, path_, bytes));
            if (status.ok())
                std::memcpy(file_->content.data() + position, data.data(), data.size());
            return status;
        });
    }

    const StateRef state_;
    const std::uint64_t boot_;
    const SimulatedFileRef file_;
    const std::string path_;
};

class SequentialFile final : public rocksdb::FSSequentialFile, Handle {
public:
    using Handle::Handle;
    IOStatus Read(std::size_t bytes, const IOOptions&, rocksdb::Slice* result, char* scratch,
                  IODebugContext*) override {
        auto status = read_at(position_, bytes, result, scratch);
        if (status.ok()) position_ += result->size();
        return status;
    }
    IOStatus PositionedRead(std::uint64_t position, std::size_t bytes, const IOOptions&,
                            rocksdb::Slice* result, char* scratch, IODebugContext*) override {
        return read_at(position, bytes, result, scratch);
    }
    IOStatus Skip(std::uint64_t bytes) override {
        position_ += bytes;
        return IOStatus::OK();
    }

private:
    std::uint64_t position_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile, Handle {
public:
    using Handle::Handle;
    IOStatus Read(std::uint64_t position, std::size_t bytes, const IOOptions&,
                  rocksdb::Slice* result, char* scratch, IODebugContext*) const override {
        return read_at(position, bytes, result, scratch);
    }
};

class WritableFile final : public rocksdb::FSWritableFile, Handle {
public:
    using FSWritableFile::Append;
    using FSWritableFile::PositionedAppend;
    using Handle::Handle;
    IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
        return locked(
            [&] { return to_status(state_->append_locked(*file_, path_, data.ToStringView())); });
    }
    // Direct writes: alignment is not asked for, since nothing depends on it.
    IOStatus PositionedAppend(const rocksdb::Slice& data, std::uint64_t position, const IOOptions&,
                              IODebugContext*) override {
        return write_at(position, data);
    }
    IOStatus Truncate(std::uint64_t bytes, const IOOptions&, IODebugContext*) override {
        return locked([&] { return to_status(state_->resize_locked(*file_, path_, bytes)); });
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions&, IODebugContext*) override {
        return locked([&] { return to_status(state_->sync_locked(*file_, path_)); });
    }
    bool IsSyncThreadSafe() const override { return true; }
    std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
        const auto guard = state_->lock();
        return file_->content.size();
    }
};

// Overwrites in place are rare in RocksDB (global sequence numbers of ingested files); the bytes
// written count as synced, only growth is lost in a crash.
class RandomRwFile final : public rocksdb::FSRandomRWFile, Handle {
public:
    using Handle::Handle;
    IOStatus Write(std::uint64_t position, const rocksdb::Slice& data, const IOOptions&,
                   IODebugContext*) override {
        return write_at(position, data);
    }
    IOStatus Read(std::uint64_t position, std::size_t bytes, const IOOptions&,
                  rocksdb::Slice* result, char* scratch, IODebugContext*) const override {
        return read_at(position, bytes, result, scratch);
    }
    IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
    IOStatus Sync(const IOOptions&, IODebugContext*) override {
        return locked([&] { return to_status(state_->sync_locked(*file_, path_)); });
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

class Directory final : public rocksdb::FSDirectory {
public:
    Directory(StateRef state, std::uint64_t boot, std::string path)
        : state_(std::move(state)), boot_(boot), path_(std::move(path)) {}
    IOStatus Fsync(const IOOptions&, IODebugContext*) override {
        const auto guard = state_->lock();
        if (const auto alive = state_->check_boot_locked(boot_); !alive) return to_status(alive);
        state_->sync_directory_locked(path_);
        return IOStatus::OK();
    }
    IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

private:
    const StateRef state_;
    const std::uint64_t boot_;
    const std::string path_;
};

struct HeldLock final : rocksdb::FileLock {
    explicit HeldLock(std::string p) : path(std::move(p)) {}
    std::string path;
};

// RocksDB's own log is of no interest here and would make runs differ.
class NoLogger final : public rocksdb::Logger {
public:
    using Logger::Logv;
    void Logv(const char*, va_list) override {}
};

class SimulatedFileSystem final : public rocksdb::FileSystem {
public:
    explicit SimulatedFileSystem(StateRef state) : state_(std::move(state)) {
        const auto guard = state_->lock();
        boot_ = state_->boot_locked();
    }
    const char* Name() const override { return "casc.SimulatedFileSystem"; }

    // --- opening ---------------------------------------------------------------------------------

    IOStatus NewSequentialFile(const std::string& name, const FileOptions&,
                               std::unique_ptr<rocksdb::FSSequentialFile>* result,
                               IODebugContext*) override {
        return open_existing<SequentialFile>(name, result);
    }
    IOStatus NewRandomAccessFile(const std::string& name, const FileOptions&,
                                 std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                 IODebugContext*) override {
        return open_existing<RandomAccessFile>(name, result);
    }
    IOStatus NewRandomRWFile(const std::string& name, const FileOptions&,
                             std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                             IODebugContext*) override {
        return open_existing<RandomRwFile>(name, result);
    }
    IOStatus NewWritableFile(const std::string& name, const FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                             IODebugContext*) override {
        return locked([&] {
            // A new file under the name, so that a crash can bring back what was there.
            const auto path = SimulatedState::normal(name);
            auto file = std::make_shared<SimulatedFile>();
            if (const auto linked = state_->link_locked(path, file); !linked)
                return to_status(linked);
            state_->changed_locked(*file);
            *result = std::make_unique<WritableFile>(state_, boot_, file, path);
            return IOStatus::OK();
        });
    }
    IOStatus ReopenWritableFile(const std::string& name, const FileOptions&,
                                std::unique_ptr<rocksdb::FSWritableFile>* result,
                                IODebugContext*) override {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            auto file = state_->create_locked(path);
            if (file) *result = std::make_unique<WritableFile>(state_, boot_, *file, path);
            return to_status(file);
        });
    }
    IOStatus NewDirectory(const std::string& name, const IOOptions&,
                          std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            if (!state_->is_directory_locked(path)) return IOStatus::PathNotFound(path);
            *result = std::make_unique<Directory>(state_, boot_, path);
            return IOStatus::OK();
        });
    }
    IOStatus NewLogger(const std::string&, const IOOptions&,
                       std::shared_ptr<rocksdb::Logger>* result, IODebugContext*) override {
        *result = std::make_shared<NoLogger>();
        return IOStatus::OK();
    }

    // --- names -----------------------------------------------------------------------------------

    IOStatus FileExists(const std::string& name, const IOOptions&, IODebugContext*) override {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            const bool found =
                state_->find_locked(path) != nullptr || state_->is_directory_locked(path);
            return found ? IOStatus::OK() : IOStatus::NotFound(path);
        });
    }
    IOStatus GetChildren(const std::string& name, const IOOptions&,
                         std::vector<std::string>* result, IODebugContext*) override {
        return locked([&] {
            auto names = state_->list_locked(SimulatedState::normal(name));
            if (names) *result = *names;
            return to_status(names);
        });
    }
    IOStatus DeleteFile(const std::string& name, const IOOptions&, IODebugContext*) override {
        return locked(
            [&] { return to_status(state_->remove_locked(SimulatedState::normal(name))); });
    }
    IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                        IODebugContext*) override {
        return locked([&] {
            return to_status(
                state_->rename_locked(SimulatedState::normal(from), SimulatedState::normal(to)));
        });
    }
    IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
        return locked([&] {
            const auto path = SimulatedState::normal(to);
            const auto file = state_->find_or_fail_locked(SimulatedState::normal(from));
            if (!file) return to_status(file);
            if (state_->find_locked(path) != nullptr) return IOStatus::IOError(path, "exists");
            return to_status(state_->link_locked(path, *file));
        });
    }
    IOStatus AreFilesSame(const std::string& a, const std::string& b, const IOOptions&, bool* same,
                          IODebugContext*) override {
        return locked([&] {
            *same = state_->find_locked(SimulatedState::normal(a)) ==
                    state_->find_locked(SimulatedState::normal(b));
            return IOStatus::OK();
        });
    }
    IOStatus CreateDir(const std::string& name, const IOOptions&, IODebugContext*) override {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            if (state_->is_directory_locked(path)) return IOStatus::IOError(path, "exists");
            return to_status(state_->make_directory_locked(path));
        });
    }
    IOStatus CreateDirIfMissing(const std::string& name, const IOOptions&,
                                IODebugContext*) override {
        return locked(
            [&] { return to_status(state_->make_directory_locked(SimulatedState::normal(name))); });
    }
    IOStatus DeleteDir(const std::string& name, const IOOptions&, IODebugContext*) override {
        return locked([&] {
            return to_status(state_->remove_directory_locked(SimulatedState::normal(name)));
        });
    }
    IOStatus IsDirectory(const std::string& name, const IOOptions&, bool* is,
                         IODebugContext*) override {
        return locked([&] {
            *is = state_->is_directory_locked(SimulatedState::normal(name));
            return IOStatus::OK();
        });
    }
    IOStatus GetAbsolutePath(const std::string& name, const IOOptions&, std::string* result,
                             IODebugContext*) override {
        *result = SimulatedState::normal(name);
        return IOStatus::OK();
    }
    IOStatus GetTestDirectory(const IOOptions& options, std::string* result,
                              IODebugContext* debug) override {
        *result = "/test";
        return CreateDirIfMissing(*result, options, debug);
    }

    // --- facts -----------------------------------------------------------------------------------

    IOStatus GetFileSize(const std::string& name, const IOOptions&, std::uint64_t* bytes,
                         IODebugContext*) override {
        return with_file(name, [&](SimulatedFile& file, const std::string&) {
            *bytes = file.content.size();
            return IOStatus::OK();
        });
    }
    IOStatus GetFileModificationTime(const std::string& name, const IOOptions&, std::uint64_t* time,
                                     IODebugContext*) override {
        return with_file(name, [&](SimulatedFile& file, const std::string&) {
            *time = file.changed_at;
            return IOStatus::OK();
        });
    }
    IOStatus Truncate(const std::string& name, std::size_t bytes, const IOOptions&,
                      IODebugContext*) override {
        return with_file(name, [&](SimulatedFile& file, const std::string& path) {
            return to_status(state_->resize_locked(file, path, bytes));
        });
    }
    IOStatus GetFreeSpace(const std::string&, const IOOptions&, std::uint64_t* bytes,
                          IODebugContext*) override {
        return locked([&] {
            *bytes = state_->free_bytes_locked();
            return IOStatus::OK();
        });
    }

    // --- locks -----------------------------------------------------------------------------------

    IOStatus LockFile(const std::string& name, const IOOptions&, rocksdb::FileLock** result,
                      IODebugContext*) override {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            if (const auto file = state_->create_locked(path); !file) return to_status(file);
            if (!state_->locks_locked().insert(path).second)
                return IOStatus::IOError(path, "lock is held");
            *result = new HeldLock(path);
            return IOStatus::OK();
        });
    }
    IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
        const std::unique_ptr<HeldLock> held(static_cast<HeldLock*>(lock));
        return locked([&] {
            state_->locks_locked().erase(held->path);
            return IOStatus::OK();
        });
    }

private:
    template <class Act>
    IOStatus locked(const Act& act) const {
        const auto guard = state_->lock();
        if (const auto alive = state_->check_boot_locked(boot_); !alive) return to_status(alive);
        return act();
    }
    template <class Act>
    IOStatus with_file(const std::string& name, const Act& act) const {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            const auto file = state_->find_or_fail_locked(path);
            return file ? act(**file, path) : to_status(file);
        });
    }
    template <class File, class Base>
    IOStatus open_existing(const std::string& name, std::unique_ptr<Base>* result) const {
        return locked([&] {
            const auto path = SimulatedState::normal(name);
            const auto file = state_->find_or_fail_locked(path);
            if (file) *result = std::make_unique<File>(state_, boot_, *file, path);
            return to_status(file);
        });
    }

    const StateRef state_;
    std::uint64_t boot_ = 0;
};

}  // namespace

std::shared_ptr<void> make_simulated_file_system(std::shared_ptr<SimulatedState> state) {
    return std::shared_ptr<rocksdb::FileSystem>(
        std::make_shared<SimulatedFileSystem>(std::move(state)));
}

}  // namespace casc::storage::detail
