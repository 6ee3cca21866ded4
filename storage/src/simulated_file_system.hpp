#pragma once
// storage/src/simulated_file_system.hpp: RocksDB's way onto the simulated disk.

#include <memory>

namespace casc::storage::detail {

class SimulatedState;

// A std::shared_ptr<rocksdb::FileSystem> as void. Good until the next crash of `state`.
[[nodiscard]] std::shared_ptr<void> make_simulated_file_system(
    std::shared_ptr<SimulatedState> state);

}  // namespace casc::storage::detail
