#include "huge_memory.hpp"

#include <casc/storage/block.hpp>
#include <casc/types/units.hpp>

#include <cstdlib>
#include <new>
#include <sys/mman.h>

namespace casc::storage {

namespace {

enum class Pages { ordinary, huge };

std::shared_ptr<std::byte> make_touched(std::size_t bytes_min, std::size_t alignment, Pages pages,
                                        Breather* breather) {
    const std::size_t bytes = align_up(bytes_min, alignment);
    auto* const data = static_cast<std::byte*>(std::aligned_alloc(alignment, bytes));
    if (data == nullptr) throw std::bad_alloc();
    // Ordinary pages do as well where this is refused.
    if (pages == Pages::huge) static_cast<void>(::madvise(data, bytes, MADV_HUGEPAGE));
    for (std::size_t page = 0; page < bytes; page += kBlockAlignment) {
        data[page] = std::byte{0};
        if (breather != nullptr) breather->breathe();
    }
    return {data, [](std::byte* memory) { std::free(memory); }};
}

}  // namespace

std::shared_ptr<std::byte> make_huge_memory(std::size_t bytes_min, Breather* breather) {
    return make_touched(bytes_min, kHugePageBytes, Pages::huge, breather);
}

std::shared_ptr<std::byte> make_page_memory(std::size_t bytes_min, Breather* breather) {
    return make_touched(bytes_min, kBlockAlignment, Pages::ordinary, breather);
}

}  // namespace casc::storage
