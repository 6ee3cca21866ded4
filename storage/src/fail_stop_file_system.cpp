#include "fail_stop_file_system.hpp"

#include <atomic>
#include <string>
#include <string_view>

namespace casc::storage {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// Shared by the file system and every file it has opened.
class FailStop {
public:
    // Carries out a change unless an earlier one has failed.
    template <class Change>
    IOStatus change(Change&& carry_out) {
        if (failed_.load(std::memory_order_acquire))
            return IOStatus::IOError("an earlier write to this folder failed");
        IOStatus status = carry_out();
        if (!status.ok()) failed_.store(true, std::memory_order_release);
        return status;
    }
    // Carries out what may fail without harm (the file is not there, or not to be had) unless a
    // change has failed.
    template <class Change>
    IOStatus attempt(Change&& carry_out) {
        if (failed_.load(std::memory_order_acquire))
            return IOStatus::IOError("an earlier write to this folder failed");
        return carry_out();
    }

private:
    std::atomic<bool> failed_{false};
};

class FailStopFile final : public rocksdb::FSWritableFileOwnerWrapper {
public:
    FailStopFile(std::unique_ptr<rocksdb::FSWritableFile> file, std::shared_ptr<FailStop> state)
        : FSWritableFileOwnerWrapper(std::move(file)), state_(std::move(state)) {}

    IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                    IODebugContext* debug) override {
        return state_->change([&] { return target()->Append(data, options, debug); });
    }
    IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                    const rocksdb::DataVerificationInfo& info, IODebugContext* debug) override {
        return state_->change([&] { return target()->Append(data, options, info, debug); });
    }
    IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                              IODebugContext* debug) override {
        return state_->change(
            [&] { return target()->PositionedAppend(data, offset, options, debug); });
    }
    IOStatus PositionedAppend(const rocksdb::Slice& data, uint64_t offset, const IOOptions& options,
                              const rocksdb::DataVerificationInfo& info,
                              IODebugContext* debug) override {
        return state_->change(
            [&] { return target()->PositionedAppend(data, offset, options, info, debug); });
    }
    IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* debug) override {
        return state_->change([&] { return target()->Truncate(size, options, debug); });
    }
    IOStatus Flush(const IOOptions& options, IODebugContext* debug) override {
        return state_->change([&] { return target()->Flush(options, debug); });
    }
    IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
        return state_->change([&] { return target()->Sync(options, debug); });
    }
    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        return state_->change([&] { return target()->Fsync(options, debug); });
    }
    IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                       IODebugContext* debug) override {
        return state_->change([&] { return target()->RangeSync(offset, bytes, options, debug); });
    }

private:
    const std::shared_ptr<FailStop> state_;
};

class FailStopDirectory final : public rocksdb::FSDirectoryWrapper {
public:
    FailStopDirectory(std::unique_ptr<rocksdb::FSDirectory> directory,
                      std::shared_ptr<FailStop> state)
        : FSDirectoryWrapper(directory.get()),
          directory_(std::move(directory)),
          state_(std::move(state)) {}

    IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
        return state_->change([&] { return directory_->Fsync(options, debug); });
    }
    IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                                 const rocksdb::DirFsyncOptions& how) override {
        return state_->change([&] { return directory_->FsyncWithDirOptions(options, debug, how); });
    }

private:
    const std::unique_ptr<rocksdb::FSDirectory> directory_;
    const std::shared_ptr<FailStop> state_;
};

class FailStopFileSystem final : public rocksdb::FileSystemWrapper {
public:
    FailStopFileSystem(std::shared_ptr<rocksdb::FileSystem> target,
                       const std::filesystem::path& folder)
        : FileSystemWrapper(std::move(target)), folder_(folder.string() + '/') {}
    const char* Name() const override { return "casc.fail_stop"; }

    IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                             IODebugContext* debug) override {
        return open(path, file,
                    [&] { return target()->NewWritableFile(path, options, file, debug); });
    }
    IOStatus ReopenWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                std::unique_ptr<rocksdb::FSWritableFile>* file,
                                IODebugContext* debug) override {
        return open(path, file,
                    [&] { return target()->ReopenWritableFile(path, options, file, debug); });
    }
    IOStatus ReuseWritableFile(const std::string& path, const std::string& old_path,
                               const rocksdb::FileOptions& options,
                               std::unique_ptr<rocksdb::FSWritableFile>* file,
                               IODebugContext* debug) override {
        return open(path, file, [&] {
            return target()->ReuseWritableFile(path, old_path, options, file, debug);
        });
    }
    IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                          std::unique_ptr<rocksdb::FSDirectory>* directory,
                          IODebugContext* debug) override {
        IOStatus status = target()->NewDirectory(path, options, directory, debug);
        if (status.ok() && is_ours(path + '/'))
            *directory = std::make_unique<FailStopDirectory>(std::move(*directory), state_);
        return status;
    }
    IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                        IODebugContext* debug) override {
        if (!is_ours(path)) return target()->DeleteFile(path, options, debug);
        return state_->attempt([&] { return target()->DeleteFile(path, options, debug); });
    }
    IOStatus DeleteDir(const std::string& path, const IOOptions& options,
                       IODebugContext* debug) override {
        if (!is_ours(path)) return target()->DeleteDir(path, options, debug);
        return state_->attempt([&] { return target()->DeleteDir(path, options, debug); });
    }
    IOStatus Truncate(const std::string& path, size_t size, const IOOptions& options,
                      IODebugContext* debug) override {
        if (!is_ours(path)) return target()->Truncate(path, size, options, debug);
        return state_->change([&] { return target()->Truncate(path, size, options, debug); });
    }
    IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                        IODebugContext* debug) override {
        if (!is_ours(from) && !is_ours(to)) return target()->RenameFile(from, to, options, debug);
        return state_->change([&] { return target()->RenameFile(from, to, options, debug); });
    }
    IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
        if (!is_ours(to)) return target()->LinkFile(from, to, options, debug);
        return state_->attempt([&] { return target()->LinkFile(from, to, options, debug); });
    }

private:
    [[nodiscard]] bool is_ours(std::string_view path) const { return path.starts_with(folder_); }

    template <class Open>
    IOStatus open(const std::string& path, std::unique_ptr<rocksdb::FSWritableFile>* file,
                  Open&& carry_out) {
        if (!is_ours(path)) return carry_out();
        IOStatus status = state_->attempt(carry_out);
        if (status.ok()) *file = std::make_unique<FailStopFile>(std::move(*file), state_);
        return status;
    }

    const std::string folder_;
    const std::shared_ptr<FailStop> state_ = std::make_shared<FailStop>();
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_fail_stop_file_system(
    std::shared_ptr<rocksdb::FileSystem> target, const std::filesystem::path& folder) {
    return std::make_shared<FailStopFileSystem>(std::move(target), folder);
}

}  // namespace casc::storage
