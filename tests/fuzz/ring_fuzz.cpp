// ring_fuzz.cpp: shared memory in which the other side writes what it likes, as a session uses it.
//
// The input is a program for the other side and for us: it stores positions and flags, changes
// bytes, and in between we read, write and look. Whatever it does, no more bytes come out than were
// asked for, none from outside of the ring, and what was copied out stays as it is; frames are
// taken apart from the copy alone.

#include "fuzz_target.hpp"

#include <casc/ring/byte_ring.hpp>
#include <casc/ring/sync.hpp>
#include <casc/wire/frame.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace {

using namespace casc;
using ring::StdSync;

constexpr std::size_t kRingBytes = 256;
constexpr std::size_t kFrameLimitBytes = 4096;

// The input, a little at a time.
class Script {
public:
    explicit Script(std::span<const std::byte> bytes) : rest_(bytes) {}
    [[nodiscard]] bool ended() const { return rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        const auto value = std::to_integer<std::uint8_t>(rest_.front());
        rest_ = rest_.subspan(1);
        return value;
    }
    std::uint64_t number() {
        std::uint64_t value = 0;
        const std::size_t count = std::min<std::size_t>(rest_.size(), sizeof value);
        if (count != 0) std::memcpy(&value, rest_.data(), count);
        rest_ = rest_.subspan(count);
        return value;
    }
    std::span<const std::byte> bytes(std::size_t count) {
        const auto front = rest_.first(std::min(count, rest_.size()));
        rest_ = rest_.subspan(front.size());
        return front;
    }

private:
    std::span<const std::byte> rest_;
};

// Two rings with guards around them, our ends of both, and what has come.
struct Rings {
    static constexpr std::byte kGuard{0xA5};

    ring::ByteRingCursors<StdSync> in_cursors;
    ring::ByteRingCursors<StdSync> out_cursors;
    std::array<std::byte, 3 * kRingBytes> in_memory;
    std::array<std::byte, 3 * kRingBytes> out_memory;
    ring::BasicByteRingReader<StdSync> reader{in_cursors, ring_of(in_memory)};
    ring::BasicByteRingWriter<StdSync> writer{out_cursors, ring_of(out_memory)};
    std::vector<std::byte> received;

    Rings() {
        in_memory.fill(kGuard);
        out_memory.fill(kGuard);
    }
    static std::span<std::byte> ring_of(std::array<std::byte, 3 * kRingBytes>& memory) {
        return std::span(memory).subspan(kRingBytes, kRingBytes);
    }
    void check_guards() const {
        for (const auto* memory : {&in_memory, &out_memory})
            for (std::size_t i = 0; i < kRingBytes; ++i)
                CASC_ASSERT((*memory)[i] == kGuard && (*memory)[2 * kRingBytes + i] == kGuard, i);
    }

    // False: the connection has ended.
    bool read(std::size_t wanted) {
        std::vector<std::byte> into(wanted + 1, kGuard);
        const auto count = reader.take(std::span(into).first(wanted));
        if (!count) {
            CASC_ASSERT(count.error().code == ErrorCode::ring_corrupt);
            return false;
        }
        CASC_ASSERT(*count <= wanted && *count <= kRingBytes, *count, wanted);
        CASC_ASSERT(into[wanted] == kGuard);
        static_cast<void>(reader.release());
        received.insert(received.end(), into.begin(),
                        into.begin() + static_cast<std::ptrdiff_t>(*count));
        return take_frames();
    }
    bool take_frames() {
        std::size_t begin = 0;
        while (begin < received.size()) {
            const auto bytes = std::span<const std::byte>(received).subspan(begin);
            const auto header = wire::peek_frame(bytes, kFrameLimitBytes);
            if (!header) return false;
            if (!*header || (*header)->frame_bytes > bytes.size()) break;
            const auto frame = wire::open_frame(bytes.first((*header)->frame_bytes));
            if (!frame) return false;
            fuzz::touch(frame->body);
            begin += (*header)->frame_bytes;
        }
        received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(begin));
        CASC_ASSERT(received.size() <= kFrameLimitBytes + kRingBytes, received.size());
        return true;
    }
    bool write(std::size_t wanted) {
        const std::vector<std::byte> bytes(wanted, std::byte{0x11});
        const auto count = writer.put(bytes);
        if (!count) {
            CASC_ASSERT(count.error().code == ErrorCode::ring_corrupt);
            return false;
        }
        CASC_ASSERT(*count <= wanted && *count <= kRingBytes, *count);
        return true;
    }
};

bool step(Rings& rings, Script& script) {
    const auto in = Rings::ring_of(rings.in_memory);
    switch (script.byte() % 10) {
        case 0:
            rings.in_cursors.written.store(script.number());
            return true;
        case 1:
            rings.in_cursors.written.fetch_add(script.byte());
            return true;
        case 2:
            rings.out_cursors.read.store(script.number());
            return true;
        case 3:
            rings.out_cursors.read.fetch_add(script.byte());
            return true;
        case 4: {
            const std::size_t at = script.byte() % kRingBytes;
            const auto bytes = script.bytes(std::min<std::size_t>(script.byte(), kRingBytes - at));
            std::ranges::copy(bytes, in.begin() + static_cast<std::ptrdiff_t>(at));
            return true;
        }
        case 5:
            return rings.read(2u * script.byte());
        case 6:
            return rings.write(2u * script.byte());
        case 7:
            static_cast<void>(rings.writer.publish());
            return true;
        case 8:
            rings.reader.arm();
            rings.writer.arm();
            static_cast<void>(rings.reader.has_bytes());
            static_cast<void>(rings.writer.has_room());
            return true;
        default:
            rings.in_cursors.reader_waits.store(script.byte());
            rings.out_cursors.writer_waits.store(script.byte());
            return true;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Script script(fuzz::as_bytes(data, size));
    Rings rings;
    while (!script.ended() && step(rings, script)) {
    }
    rings.check_guards();
    return 0;
}
