// message_fuzz.cpp: a message body from a peer, verified and unpacked as each table that a body can
// be.
//
// Input: one byte that picks the table (message_list.hpp), then the body. What the verifier accepts
// is read completely, and is accepted again after it has been packed anew.

#include "fuzz_target.hpp"
#include "message_list.hpp"

#include <array>
#include <vector>

namespace {

using namespace casc;

template <class Table>
void check(std::span<const std::byte> body) {
    auto message = wire::decode<Table>(body);
    if (!message) return;
    wire::Encoder encoder;
    const auto packed = encoder.encode(*message);
    fuzz::touch(packed);
    CASC_ASSERT(wire::decode<Table>(packed).has_value(), body.size(), packed.size());
}

using Check = void (*)(std::span<const std::byte>);

template <class... Tables>
constexpr auto checks_of(const std::tuple<Tables...>*) {
    return std::array<Check, sizeof...(Tables)>{&check<Tables>...};
}

constexpr auto kChecks = checks_of(static_cast<const fuzz::MessageList*>(nullptr));

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    // A session reads a body where its frame lies, eight-aligned; behind the picking byte it would
    // not be.
    const auto body = fuzz::as_bytes(data + 1, size - 1);
    const std::vector<std::byte> aligned(body.begin(), body.end());
    kChecks[data[0] % kChecks.size()](aligned);
    return 0;
}
