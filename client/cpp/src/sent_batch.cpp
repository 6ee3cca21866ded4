#include "sent_batch.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/crc32c.hpp>

#include <cstring>

namespace casc::client {

void renumber(std::span<std::byte> batch, ProducerId producer, std::uint32_t epoch,
              std::uint32_t base_sequence) noexcept {
    wire::BatchHeader header;
    std::byte* const header_at = batch.data() + sizeof(wire::BatchStamp);
    std::memcpy(static_cast<void*>(&header), header_at, sizeof header);
    header.producer_id = producer.value();
    header.producer_epoch = epoch;
    header.base_sequence = base_sequence;
    std::memcpy(header_at, &header, sizeof header);
    const std::uint32_t crc = wire::crc32c(batch.subspan(sizeof(wire::BatchStamp)));
    std::memcpy(batch.data() + offsetof(wire::BatchStamp, body_crc), &crc, sizeof crc);
}

}  // namespace casc::client
