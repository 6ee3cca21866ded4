#pragma once
// casc/wire/compression.hpp: the payload section of a batch, compressed once by the producer and
// opened by the consumer; the broker only carries it. LZ4 block format (liblz4).

#include <casc/wire/batch.hpp>

#include <vector>

namespace casc::wire {

// Compresses `payloads` to the end of `into`. Returns the bytes appended, or 0 (nothing appended)
// when it would not have become smaller or is over kPayloadBytesMax. Thread: any.
[[nodiscard]] std::size_t compress_lz4(std::span<const std::byte> payloads,
                                       std::vector<std::byte>& into);

// Opens payload sections and keeps its buffer for the next one.
// Thread: one at a time. The result is valid until the next call, or as long as the batch when it
// was not compressed.
class Decompressor {
public:
    // Fails with batch_malformed when the section does not open to exactly header().payload_bytes;
    // never writes more than that, whatever the compressed bytes say.
    [[nodiscard]] Result<std::span<const std::byte>> open(const BatchView& batch);

private:
    std::vector<std::byte> buffer_;
};

}  // namespace casc::wire
