#include <casc/wire/compression.hpp>

#include <lz4.h>

namespace casc::wire {

std::size_t compress_lz4(std::span<const std::byte> payloads, std::vector<std::byte>& into) {
    if (payloads.size() > kPayloadBytesMax) return 0;
    const auto input_bytes = static_cast<int>(payloads.size());
    const int bound = LZ4_compressBound(input_bytes);
    if (bound <= 0) return 0;
    const std::size_t before = into.size();
    into.resize(before + static_cast<std::size_t>(bound));
    const int written =
        LZ4_compress_default(reinterpret_cast<const char*>(payloads.data()),
                             reinterpret_cast<char*>(into.data() + before), input_bytes, bound);
    const bool smaller = written > 0 && static_cast<std::size_t>(written) < payloads.size();
    into.resize(before + (smaller ? static_cast<std::size_t>(written) : 0));
    return smaller ? static_cast<std::size_t>(written) : 0;
}

Result<std::span<const std::byte>> Decompressor::open(const BatchView& batch) {
    const auto stored = batch.stored_payloads();
    if (batch.header().codec == Codec::none) return stored;
    // The buffer only grows: shrinking and growing again would clear the difference each time.
    const std::size_t payload_bytes = batch.header().payload_bytes;
    if (buffer_.size() < payload_bytes) buffer_.resize(payload_bytes);
    const int opened = LZ4_decompress_safe(
        reinterpret_cast<const char*>(stored.data()), reinterpret_cast<char*>(buffer_.data()),
        static_cast<int>(stored.size()), static_cast<int>(payload_bytes));
    if (opened < 0 || static_cast<std::size_t>(opened) != payload_bytes)
        return Error(ErrorCode::batch_malformed,
                     "compressed payloads do not open to their declared length");
    return std::span<const std::byte>(buffer_.data(), payload_bytes);
}

}  // namespace casc::wire
