#include "huge_memory.hpp"

#include <casc/storage/block.hpp>
#include <casc/types/units.hpp>

#include <cstdlib>
#include <new>
#include <sys/mman.h>

namespace casc::storage {

std::shared_ptr<std::byte> make_huge_memory(std::size_t bytes_min) {
    const std::size_t bytes = align_up(bytes_min, kHugePageBytes);
    auto* const data = static_cast<std::byte*>(std::aligned_alloc(kHugePageBytes, bytes));
    if (data == nullptr) throw std::bad_alloc();
    // Ordinary pages do as well where this is refused.
    static_cast<void>(::madvise(data, bytes, MADV_HUGEPAGE));
    for (std::size_t page = 0; page < bytes; page += kBlockAlignment)
        data[page] = std::byte{0};
    return {data, [](std::byte* memory) { std::free(memory); }};
}

}  // namespace casc::storage
