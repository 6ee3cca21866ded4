#include "simulated_env.hpp"

#include <rocksdb/system_clock.h>

#include <algorithm>

namespace casc::storage {

namespace {

// Not without any pause: whoever waits for a failed disk would spin.
constexpr int kLongestPauseUs = 1000;

class ShortPauseClock final : public rocksdb::SystemClockWrapper {
public:
    ShortPauseClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}

    [[nodiscard]] const char* Name() const override { return "ShortPauseClock"; }
    void SleepForMicroseconds(int us) override {
        SystemClockWrapper::SleepForMicroseconds(std::min(us, kLongestPauseUs));
    }
};

class SimulatedEnv final : public rocksdb::EnvWrapper {
public:
    explicit SimulatedEnv(const std::shared_ptr<rocksdb::FileSystem>& files)
        : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
        // A wrapper's own pair would go through the older interface and back.
        file_system_ = files;
        system_clock_ = std::make_shared<ShortPauseClock>();
    }

    [[nodiscard]] const char* Name() const override { return "SimulatedEnv"; }
};

}  // namespace

std::unique_ptr<rocksdb::Env> make_simulated_env(
    const std::shared_ptr<rocksdb::FileSystem>& files) {
    return std::make_unique<SimulatedEnv>(files);
}

}  // namespace casc::storage
