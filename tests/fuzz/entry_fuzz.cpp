// entry_fuzz.cpp: the body of a journal entry through the walk over its records, as recovery and
// verification do it.
//
// The journal's own checksums keep damage away from this code, but a body_crc can be right by
// chance or by malice: the checksum that the body has is computed here, so that it never ends the
// walk.

#include "entry_records.hpp"
#include "fuzz_target.hpp"

#include <vector>

namespace {

using namespace casc;
using namespace casc::storage;

struct Walk {
    std::size_t bytes = 0;
    std::uint32_t crc = 0;
    bool ok = false;
};

Walk walk(std::span<const std::byte> body) {
    Walk walked;
    RecordCursor cursor(body);
    Record record;
    while (cursor.next(record)) {
        const std::size_t bytes = record_bytes(record.header.key_bytes, record.header.value_bytes);
        CASC_ASSERT(walked.bytes + bytes <= body.size(), walked.bytes, bytes, body.size());
        CASC_ASSERT(record.key.size() == record.header.key_bytes, record.key.size());
        CASC_ASSERT(record.value.size() == record.header.value_bytes, record.value.size());
        fuzz::touch(record.key);
        fuzz::touch(record.value);
        static_cast<void>(record.number());
        const bool is_batch = record.header.kind == RecordKind::batch;
        if (is_batch)
            static_cast<void>(stamp_matches(record.value, peek_stamp(record.value).base_offset));
        walked.crc = record_crc(body.subspan(walked.bytes, bytes), is_batch, walked.crc);
        walked.bytes += bytes;
    }
    walked.ok = cursor.ok();
    return walked;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::as_bytes(data, size);
    const std::vector<std::byte> body(input.begin(), input.end());  // aligned as a block is
    const Walk walked = walk(body);
    CASC_ASSERT(!walked.ok || walked.bytes == body.size(), walked.bytes, body.size());
    if (check_entry_body(body, walked.crc)) CASC_ASSERT(walked.ok, walked.bytes);
    CASC_ASSERT(!check_entry_body(body, ~walked.crc), walked.crc);
    return 0;
}
