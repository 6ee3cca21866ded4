#pragma once
// storage/src/huge_memory.hpp: memory that a device sees in few pieces.
//
// A direct write of 1 MiB from ordinary memory is up to 256 pieces, wherever its pages lie. Some
// devices hold 256 pieces for all of their requests together (virtio-blk without indirect
// descriptors), so that one such write keeps every other from the device; the others pay by the
// piece. In huge pages it is one.

#include <casc/types/thread.hpp>

#include <cstddef>
#include <memory>

namespace casc::storage {

inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

// Aligned to kHugePageBytes and a multiple of it long, in huge pages where the system has any.
// Every page is touched here and not first when somebody waits: on hosts that take free memory back
// that costs about 10 us per 4 KiB. `breather`: of a caller in the background, which gives way
// meanwhile. Throws std::bad_alloc. Thread: any.
[[nodiscard]] std::shared_ptr<std::byte> make_huge_memory(std::size_t bytes_min,
                                                          Breather* breather = nullptr);

// The same in ordinary pages: aligned to kBlockAlignment and a multiple of it long.
[[nodiscard]] std::shared_ptr<std::byte> make_page_memory(std::size_t bytes_min,
                                                          Breather* breather = nullptr);

}  // namespace casc::storage
