#pragma once
// casc/client/partitioner.hpp: which partition a key belongs to, by the client's names.

#include <casc/types/key_partition.hpp>

namespace casc::client {

using casc::murmur2;
using casc::partition_of_key;

}  // namespace casc::client
