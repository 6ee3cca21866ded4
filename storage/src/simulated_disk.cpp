#include "simulated_file_system.hpp"
#include "simulated_state.hpp"

#include <casc/storage/block.hpp>
#include <casc/storage/simulated_disk.hpp>
#include <casc/types/assert.hpp>

#include <algorithm>
#include <cstring>
#include <sys/eventfd.h>
#include <unistd.h>

namespace casc::storage {

namespace {

using detail::SimulatedFileRef;
using detail::SimulatedState;
using StateRef = std::shared_ptr<SimulatedState>;

Result<std::size_t> read_blocks(const SimulatedState& state, const SimulatedFileRef& file,
                                std::uint64_t position, std::span<std::byte> into) {
    const auto guard = state.lock();
    if (position >= file->content.size()) return std::size_t{0};
    const auto bytes = std::min<std::size_t>(into.size(), file->content.size() - position);
    std::memcpy(into.data(), file->content.data() + position, bytes);
    return bytes;
}

class SimulatedReadableFile final : public ReadableFile {
public:
    SimulatedReadableFile(StateRef state, SimulatedFileRef file)
        : state_(std::move(state)), file_(std::move(file)), bytes_(file_->content.size()) {}

    Result<std::size_t> read(std::uint64_t position, std::span<std::byte> into) override {
        return read_blocks(*state_, file_, position, into);
    }
    std::uint64_t size() const override { return bytes_; }

private:
    const StateRef state_;
    const SimulatedFileRef file_;
    const std::uint64_t bytes_;
};

class SimulatedQueue final : public WriteQueue {
public:
    SimulatedQueue(SimulatedDisk& disk, StateRef state, unsigned writes_in_flight_max)
        : disk_(disk),
          state_(std::move(state)),
          writes_in_flight_max_(writes_in_flight_max),
          event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        const auto guard = state_->lock();
        boot_ = state_->boot_locked();
        writes_ = state_->make_writes_locked();
    }
    ~SimulatedQueue() override { ::close(event_); }

    void poll(std::vector<WriteCompletion>& completed) override;
    void wait(std::vector<WriteCompletion>& completed) override;
    int event_fd() const override { return event_; }
    void wake() noexcept override { static_cast<void>(::eventfd_write(event_, 1)); }
    Result<std::unique_ptr<DurableFile>> open(const std::filesystem::path& path,
                                              std::uint64_t bytes) override;

    void push(const SimulatedFileRef& file, const std::string& path, std::uint64_t position,
              std::span<const std::byte> data, std::uint64_t token);

private:
    SimulatedDisk& disk_;
    const StateRef state_;
    const unsigned writes_in_flight_max_;
    const int event_;
    std::uint64_t boot_ = 0;
    std::shared_ptr<SimulatedState::Writes> writes_;
};

class SimulatedDurableFile final : public DurableFile {
public:
    SimulatedDurableFile(SimulatedQueue& queue, StateRef state, std::uint64_t boot,
                         SimulatedFileRef file, std::string path)
        : queue_(queue),
          state_(std::move(state)),
          boot_(boot),
          file_(std::move(file)),
          path_(std::move(path)),
          bytes_(file_->content.size()) {}

    void submit_write(std::uint64_t position, std::span<const std::byte> data,
                      std::uint64_t token) override {
        CASC_ASSERT(position % kBlockAlignment == 0 && data.size() % kBlockAlignment == 0, position,
                    data.size());
        CASC_ASSERT(!data.empty() && position + data.size() <= bytes_, position, data.size(),
                    bytes_);
        queue_.push(file_, path_, position, data, token);
    }
    Result<std::size_t> read(std::uint64_t position, std::span<std::byte> into) override {
        return read_blocks(*state_, file_, position, into);
    }
    std::uint64_t size() const override { return bytes_; }
    Result<void> sync() override {
        const auto guard = state_->lock();
        CASC_TRY_VOID(state_->check_boot_locked(boot_));
        return state_->sync_locked(*file_, path_);
    }

private:
    SimulatedQueue& queue_;
    const StateRef state_;
    const std::uint64_t boot_;
    const SimulatedFileRef file_;
    const std::string path_;
    const std::uint64_t bytes_;
};

void SimulatedQueue::push(const SimulatedFileRef& file, const std::string& path,
                          std::uint64_t position, std::span<const std::byte> data,
                          std::uint64_t token) {
    const auto guard = state_->lock();
    CASC_ASSERT(writes_->size() < writes_in_flight_max_, writes_->size());
    const bool dead = !state_->check_boot_locked(boot_);
    writes_->push_back({token, file, path, position, data, state_->draw_delay_locked(), dead});
    // Time passes only in poll(): an event loop must keep coming back while something is in flight.
    wake();
}

void SimulatedQueue::poll(std::vector<WriteCompletion>& completed) {
    const auto guard = state_->lock();
    eventfd_t signals = 0;
    static_cast<void>(::eventfd_read(event_, &signals));
    auto& writes = *writes_;
    std::shuffle(writes.begin(), writes.end(), state_->random_locked());
    bool cut = false;
    std::erase_if(writes, [&](detail::SimulatedWrite& write) {
        if (!write.lost && write.polls_left > 0) {
            --write.polls_left;
            return false;
        }
        cut = cut || (!write.lost && !state_->spend_power_locked());
        if (cut) return false;
        completed.push_back({write.token, state_->complete_locked(write)});
        return true;
    });
    if (cut) state_->power_off_locked();
    if (!writes.empty()) wake();
}

void SimulatedQueue::wait(std::vector<WriteCompletion>& completed) {
    {
        const auto guard = state_->lock();
        CASC_ASSERT(!writes_->empty());
    }
    for (const auto before = completed.size(); completed.size() == before;)
        poll(completed);
}

Result<std::unique_ptr<DurableFile>> SimulatedQueue::open(const std::filesystem::path& path,
                                                          std::uint64_t bytes) {
    {
        const auto guard = state_->lock();
        CASC_TRY_VOID(state_->check_boot_locked(boot_));
    }
    CASC_TRY_VOID(disk_.fill_file(path, bytes));
    const auto guard = state_->lock();
    const auto name = SimulatedState::normal(path.string());
    CASC_TRY(auto file, state_->find_or_fail_locked(name));
    if (file->content.size() != bytes)
        return Error(ErrorCode::invalid_config,
                     "'" + name + "' has " + std::to_string(file->content.size()) +
                         " bytes and not the " + std::to_string(bytes) + " asked for");
    return std::unique_ptr<DurableFile>(
        std::make_unique<SimulatedDurableFile>(*this, state_, boot_, file, name));
}

struct SimulatedLock final : Disk::Lock {
    SimulatedLock(StateRef s, std::uint64_t b, std::string p)
        : state(std::move(s)), boot(b), path(std::move(p)) {}
    ~SimulatedLock() override {
        const auto guard = state->lock();
        if (state->boot_locked() == boot) state->locks_locked().erase(path);
    }
    StateRef state;
    std::uint64_t boot;
    std::string path;
};

}  // namespace

SimulatedDisk::SimulatedDisk(std::uint64_t seed) : state_(std::make_shared<SimulatedState>(seed)) {}
SimulatedDisk::~SimulatedDisk() = default;

// --- commands ------------------------------------------------------------------------------------

void SimulatedDisk::crash() {
    const auto guard = state_->lock();
    state_->power_off_locked();
    state_->power_on_locked();
}

void SimulatedDisk::power_off() {
    const auto guard = state_->lock();
    state_->power_off_locked();
}

void SimulatedDisk::power_on() {
    const auto guard = state_->lock();
    state_->power_on_locked();
}

void SimulatedDisk::cut_power_after(std::uint64_t writes) {
    const auto guard = state_->lock();
    state_->cut_power_after_locked(writes);
}

bool SimulatedDisk::powered() const {
    const auto guard = state_->lock();
    return state_->powered_locked();
}

void SimulatedDisk::fail_writes(std::uint64_t count, std::string_view path_part,
                                std::uint64_t succeed_first) {
    const auto guard = state_->lock();
    state_->fail_writes_locked(count, path_part, succeed_first);
}

void SimulatedDisk::set_capacity(std::uint64_t bytes) {
    const auto guard = state_->lock();
    state_->set_capacity_locked(bytes);
}

void SimulatedDisk::set_write_delay(unsigned polls_min, unsigned polls_max) {
    CASC_ASSERT(polls_min <= polls_max, polls_min, polls_max);
    const auto guard = state_->lock();
    state_->set_delay_locked(polls_min, polls_max);
}

void SimulatedDisk::flip_bit(const std::filesystem::path& path, std::uint64_t position,
                             unsigned bit) {
    const auto guard = state_->lock();
    const auto file = state_->find_or_fail_locked(SimulatedState::normal(path.string())).value();
    CASC_ASSERT(position < file->content.size() && bit < 8, position, file->content.size(), bit);
    file->content[position] = static_cast<char>(file->content[position] ^ (1 << bit));
    state_->changed_locked(*file);
}

std::uint64_t SimulatedDisk::flip_random_bit(const std::filesystem::path& path, std::uint64_t first,
                                             std::uint64_t last) {
    std::uint64_t position = 0;
    unsigned bit = 0;
    {
        const auto guard = state_->lock();
        CASC_ASSERT(first < last, first, last);
        position = state_->draw_locked(first, last - 1);
        bit = state_->draw_locked(0u, 7u);
    }
    flip_bit(path, position, bit);
    return position;
}

// --- looking inside ------------------------------------------------------------------------------

std::string SimulatedDisk::content(const std::filesystem::path& path) const {
    const auto guard = state_->lock();
    return state_->find_or_fail_locked(SimulatedState::normal(path.string())).value()->content;
}

void SimulatedDisk::set_content(const std::filesystem::path& path, std::string content) {
    const auto guard = state_->lock();
    const auto file = state_->find_or_fail_locked(SimulatedState::normal(path.string())).value();
    file->content = std::move(content);
    file->synced_bytes = file->content.size();
    state_->recount_locked();
    state_->changed_locked(*file);
}

std::uint64_t SimulatedDisk::change_count() const {
    const auto guard = state_->lock();
    return state_->changes_locked();
}

std::uint64_t SimulatedDisk::bytes_used() const {
    const auto guard = state_->lock();
    return state_->used_locked();
}

// --- Disk ----------------------------------------------------------------------------------------

Result<std::unique_ptr<WriteQueue>> SimulatedDisk::make_write_queue(unsigned writes_in_flight_max) {
    return std::unique_ptr<WriteQueue>(
        std::make_unique<SimulatedQueue>(*this, state_, writes_in_flight_max));
}

Result<std::unique_ptr<ReadableFile>> SimulatedDisk::open_to_read(
    const std::filesystem::path& path) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    CASC_TRY(auto file, state_->find_or_fail_locked(SimulatedState::normal(path.string())));
    return std::unique_ptr<ReadableFile>(
        std::make_unique<SimulatedReadableFile>(state_, std::move(file)));
}

Result<void> SimulatedDisk::fill_file(const std::filesystem::path& path, std::uint64_t bytes) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    const auto name = SimulatedState::normal(path.string());
    CASC_TRY(const auto file, state_->create_locked(name));
    if (file->content.size() >= bytes) return {};
    CASC_TRY_VOID(state_->resize_locked(*file, name, bytes));
    CASC_TRY_VOID(state_->sync_locked(*file, name));
    state_->sync_directory_locked(SimulatedState::parent(name));
    return {};
}

Result<std::string> SimulatedDisk::read_file(const std::filesystem::path& path) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    CASC_TRY(const auto file, state_->find_or_fail_locked(SimulatedState::normal(path.string())));
    return file->content;
}

Result<void> SimulatedDisk::replace_file(const std::filesystem::path& path,
                                         std::string_view content) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    const auto name = SimulatedState::normal(path.string());
    const auto temporary = name + ".new";
    CASC_TRY(const auto file, state_->create_locked(temporary));
    CASC_TRY_VOID(state_->resize_locked(*file, temporary, 0));
    CASC_TRY_VOID(state_->append_locked(*file, temporary, content));
    CASC_TRY_VOID(state_->sync_locked(*file, temporary));
    CASC_TRY_VOID(state_->rename_locked(temporary, name));
    state_->sync_directory_locked(SimulatedState::parent(name));
    return {};
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::filesystem::path& directory) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    return state_->list_locked(SimulatedState::normal(directory.string()));
}

Result<void> SimulatedDisk::make_directories(const std::filesystem::path& directory) {
    const auto name = SimulatedState::normal(directory.string());
    const auto above = SimulatedState::parent(name);
    if (above != name) CASC_TRY_VOID(make_directories(above));
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    CASC_TRY_VOID(state_->make_directory_locked(name));
    state_->sync_directory_locked(above);
    return {};
}

Result<void> SimulatedDisk::remove_file(const std::filesystem::path& path) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    const auto name = SimulatedState::normal(path.string());
    CASC_TRY_VOID(state_->remove_locked(name));
    state_->sync_directory_locked(SimulatedState::parent(name));
    return {};
}

Result<std::uint64_t> SimulatedDisk::free_bytes(const std::filesystem::path&) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    return state_->free_bytes_locked();
}

Result<std::unique_ptr<Disk::Lock>> SimulatedDisk::lock(const std::filesystem::path& path) {
    const auto guard = state_->lock();
    CASC_TRY_VOID(state_->check_boot_locked(state_->boot_locked()));
    const auto name = SimulatedState::normal(path.string());
    CASC_TRY_VOID(state_->create_locked(name));
    if (!state_->locks_locked().insert(name).second)
        return Error(ErrorCode::data_locked, "another store holds '" + name + "'");
    return std::unique_ptr<Lock>(
        std::make_unique<SimulatedLock>(state_, state_->boot_locked(), name));
}

std::shared_ptr<void> SimulatedDisk::rocksdb_file_system() {
    return detail::make_simulated_file_system(state_);
}

}  // namespace casc::storage
