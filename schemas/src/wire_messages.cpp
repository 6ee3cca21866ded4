#include <casc/wire/messages.hpp>

namespace casc::wire {

#define CASC_WIRE_HERE(Table)                                                      \
    template Result<const fb::Table*> view<fb::Table>(std::span<const std::byte>); \
    template Result<fb::Table##T> decode<fb::Table>(std::span<const std::byte>);   \
    template std::span<const std::byte> Encoder::encode<fb::Table##T>(const fb::Table##T&);
CASC_WIRE_MESSAGES(CASC_WIRE_HERE)
#undef CASC_WIRE_HERE

}  // namespace casc::wire
