#pragma once
// casc/wire/batch_builder.hpp: gathers events into one batch.
//
//   BatchBuilder builder(Lane::normal);
//   builder.add({.payload = bytes}, now);
//   std::span<std::byte> batch = builder.finish({.codec = Codec::lz4}, buffer);   // ready to send
//   builder.reset();                                                              // keeps its
//   memory
//
// Thread: one at a time. Once its buffers have grown, neither add() nor finish() allocates.

#include <casc/wire/batch.hpp>

#include <cstring>
#include <vector>

namespace casc::wire {

struct HeaderInput {
    std::string_view name;
    std::string_view value;
};

// What a producer may say about an event. Everything but the payload is optional, and costs nothing
// when left out.
struct EventInput {
    std::span<const std::byte> payload;
    std::optional<std::span<const std::byte>> key{};
    std::span<const HeaderInput> headers{};
    std::optional<std::array<std::byte, 16>> message_id{};
    std::optional<EpochNanos> timestamp{};
    std::string_view type{};
    std::string_view correlation_id{};
    std::string_view source{};
    std::string_view destination{};
    std::uint32_t schema_version = 0;
    std::uint32_t time_to_live_ms = 0;
    EpochNanos deliver_at{};
};

struct FinishOptions {
    ProducerId producer_id{};
    std::uint32_t producer_epoch = 0;
    std::uint32_t base_sequence = 0;
    Codec codec = Codec::none;
    std::size_t compress_bytes_min = 1024;  // smaller payload sections are stored as they are
};

// Whether an event can travel in a batch at all. A client asks this of what its user gave it,
// before add(). Fails with: event_too_large, and invalid_request for a header name over 65 535
// bytes.
[[nodiscard]] Result<void> check_event(const EventInput& event);

// The caller ends a batch before it passes kBatchEventsMax, kPayloadBytesMax or, by bytes(),
// kBatchBytesMax; finish() asserts that. Any batch that finish() returns is one that
// BatchView::parse accepts.
class BatchBuilder {
public:
    explicit BatchBuilder(Lane lane = Lane::normal);

    // `now` becomes the batch's created_at with the first event.
    void add(const EventInput& event, EpochNanos now);
    // The common case, inlined: a payload and nothing else.
    void add_payload(std::span<const std::byte> payload, EpochNanos now) {
        if (payload_ends_.empty()) created_at_ = now;
        payloads_.insert(payloads_.end(), payload.begin(), payload.end());
        payload_ends_.push_back(static_cast<std::uint32_t>(payloads_.size()));
    }

    [[nodiscard]] std::uint32_t event_count() const noexcept {
        return static_cast<std::uint32_t>(payload_ends_.size());
    }
    [[nodiscard]] bool empty() const noexcept { return payload_ends_.empty(); }
    // The size of finish()'s result before compression.
    [[nodiscard]] std::size_t bytes() const noexcept;
    [[nodiscard]] Lane lane() const noexcept { return lane_; }

    // Assembles and checksums the batch into `into`, growing it when needed; returns the batch's
    // bytes, which start at into.data() + `at`. At least one event must have been added. Bytes
    // before `at` are left alone, so that a frame header can stand in front.
    std::span<std::byte> finish(const FinishOptions& options, std::vector<std::byte>& into,
                                std::size_t at = 0);
    // Forgets the events, keeps the memory.
    void reset(Lane lane);
    void reset() { reset(lane_); }

private:
    // A column of variable-length values: ends and bytes, filled in only from the first event that
    // has one.
    struct BytesColumn {
        std::vector<std::uint32_t> ends;
        std::vector<std::byte> bytes;
        void add(std::uint32_t index, std::span<const std::byte> value, bool present);
        void clear();
    };

    void add_rare(const EventInput& event, std::uint32_t index);
    void pad_columns();
    [[nodiscard]] std::uint16_t column_bits() const noexcept;
    [[nodiscard]] std::size_t columns_bytes(std::uint16_t bits) const noexcept;

    Lane lane_;
    EpochNanos created_at_{};
    std::uint16_t used_ = 0;
    std::vector<std::uint32_t> payload_ends_;
    std::vector<std::byte> payloads_;
    BytesColumn keys_, headers_, types_, correlation_ids_, sources_, destinations_;
    std::vector<std::array<std::byte, 16>> message_ids_;
    std::vector<std::int64_t> timestamps_;
    std::vector<std::uint32_t> schema_versions_;
    std::vector<std::uint32_t> time_to_live_;
    std::vector<std::int64_t> deliver_at_;
};

}  // namespace casc::wire
