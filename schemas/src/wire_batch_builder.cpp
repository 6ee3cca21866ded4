#include "wire_columns.hpp"

#include <casc/types/assert.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/compression.hpp>
#include <casc/wire/crc32c.hpp>

#include <string>

namespace casc::wire {
namespace {

using detail::kAbsent;
using detail::padded;

constexpr std::uint16_t bit(Column column) {
    return static_cast<std::uint16_t>(1u << static_cast<unsigned>(column));
}

std::span<const std::byte> as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

// A cursor over the part of the batch being assembled.
struct Writer {
    std::byte* at;
    void raw(const void* data, std::size_t bytes) {
        if (bytes != 0) std::memcpy(at, data, bytes);
        const std::size_t whole = padded(bytes);
        std::memset(at + bytes, 0, whole - bytes);
        at += whole;
    }
    template <class T>
    void column(const std::vector<T>& values) {
        raw(values.data(), values.size() * sizeof(T));
    }
};

}  // namespace

Result<void> check_event(const EventInput& event) {
    constexpr std::size_t positions =
        kColumnCount * 8;  // a batch of this event alone, every column used and padded
    std::size_t bytes = kBatchOverheadBytes + 2 * positions + event.payload.size();
    if (event.key) bytes += event.key->size();
    for (const std::string_view text :
         {event.type, event.correlation_id, event.source, event.destination})
        bytes += text.size();
    for (const HeaderInput& header : event.headers) {
        if (header.name.size() > UINT16_MAX)
            return Error(ErrorCode::invalid_request,
                         "a header name of " + std::to_string(header.name.size()) + " bytes");
        bytes += 2 + header.name.size() + 4 + header.value.size();
    }
    if (bytes > kBatchBytesMax)
        return Error(ErrorCode::event_too_large, std::to_string(bytes) +
                                                     " bytes with its batch, the limit is " +
                                                     std::to_string(kBatchBytesMax));
    return {};
}

BatchBuilder::BatchBuilder(Lane lane) : lane_(lane) {}

void BatchBuilder::BytesColumn::add(std::uint32_t index, std::span<const std::byte> value,
                                    bool present) {
    // Events before the first one that has a value get their "absent" marks now.
    while (ends.size() < index)
        ends.push_back(static_cast<std::uint32_t>(bytes.size()) | kAbsent);
    if (present) bytes.insert(bytes.end(), value.begin(), value.end());
    ends.push_back(static_cast<std::uint32_t>(bytes.size()) | (present ? 0 : kAbsent));
}

void BatchBuilder::BytesColumn::clear() {
    ends.clear();
    bytes.clear();
}

void BatchBuilder::add(const EventInput& event, EpochNanos now) {
    const std::uint32_t index = event_count();
    add_payload(event.payload, now);
    if (event.key) {
        keys_.add(index, *event.key, true);
        used_ |= bit(Column::keys);
    }
    add_rare(event, index);
}

void BatchBuilder::add_rare(const EventInput& event, std::uint32_t index) {
    const auto text = [&](Column column, BytesColumn& into, std::string_view value) {
        if (value.empty()) return;
        into.add(index, as_bytes(value), true);
        used_ |= bit(column);
    };
    const auto fixed = [&](Column column, auto& into, auto value) {
        into.resize(index);
        into.push_back(value);
        used_ |= bit(column);
    };
    text(Column::types, types_, event.type);
    text(Column::correlation_ids, correlation_ids_, event.correlation_id);
    text(Column::sources, sources_, event.source);
    text(Column::destinations, destinations_, event.destination);
    if (event.message_id) fixed(Column::message_ids, message_ids_, *event.message_id);
    if (event.timestamp) {
        timestamps_.resize(index, created_at_.value());
        timestamps_.push_back(event.timestamp->value());
        used_ |= bit(Column::timestamps);
    }
    if (event.schema_version != 0)
        fixed(Column::schema_versions, schema_versions_, event.schema_version);
    if (event.time_to_live_ms != 0)
        fixed(Column::time_to_live, time_to_live_, event.time_to_live_ms);
    if (event.deliver_at != EpochNanos{})
        fixed(Column::deliver_at, deliver_at_, event.deliver_at.value());
    if (event.headers.empty()) return;

    headers_.add(index, {}, true);
    for (const HeaderInput& header : event.headers) {
        CASC_ASSERT(header.name.size() <= UINT16_MAX, header.name.size());
        const auto name_bytes = static_cast<std::uint16_t>(header.name.size());
        const auto value_bytes = static_cast<std::uint32_t>(header.value.size());
        const auto put = [&](const void* data, std::size_t bytes) {
            const auto* first = static_cast<const std::byte*>(data);
            headers_.bytes.insert(headers_.bytes.end(), first, first + bytes);
        };
        put(&name_bytes, sizeof name_bytes);
        put(header.name.data(), header.name.size());
        put(&value_bytes, sizeof value_bytes);
        put(header.value.data(), header.value.size());
    }
    headers_.ends.back() = static_cast<std::uint32_t>(headers_.bytes.size());
    used_ |= bit(Column::headers);
}

std::uint16_t BatchBuilder::column_bits() const noexcept {
    return static_cast<std::uint16_t>(used_ | bit(Column::payload_ends));
}

void BatchBuilder::pad_columns() {
    const std::uint32_t count = event_count();
    const auto pad = [&](Column column, BytesColumn& into) {
        if ((used_ & bit(column)) == 0) return;
        while (into.ends.size() < count)
            into.ends.push_back(static_cast<std::uint32_t>(into.bytes.size()) | kAbsent);
    };
    pad(Column::keys, keys_);
    pad(Column::headers, headers_);
    pad(Column::types, types_);
    pad(Column::correlation_ids, correlation_ids_);
    pad(Column::sources, sources_);
    pad(Column::destinations, destinations_);
    if ((used_ & bit(Column::message_ids)) != 0) message_ids_.resize(count);
    if ((used_ & bit(Column::timestamps)) != 0) timestamps_.resize(count, created_at_.value());
    if ((used_ & bit(Column::schema_versions)) != 0) schema_versions_.resize(count);
    if ((used_ & bit(Column::time_to_live)) != 0) time_to_live_.resize(count);
    if ((used_ & bit(Column::deliver_at)) != 0) deliver_at_.resize(count);
}

std::size_t BatchBuilder::columns_bytes(std::uint16_t bits) const noexcept {
    const std::size_t count = payload_ends_.size();
    std::size_t sum = 0;
    for (unsigned index = 0; index < kColumnCount; ++index)
        if ((bits >> index & 1u) != 0)
            sum += detail::fixed_part_bytes(detail::kShapes[index], count);
    for (const BytesColumn* column :
         {&keys_, &headers_, &types_, &correlation_ids_, &sources_, &destinations_})
        sum += padded(column->bytes.size());
    return sum;
}

std::size_t BatchBuilder::bytes() const noexcept {
    return kBatchOverheadBytes + columns_bytes(column_bits()) + padded(payloads_.size());
}

std::span<std::byte> BatchBuilder::finish(const FinishOptions& options,
                                          std::vector<std::byte>& into, std::size_t at) {
    CASC_ASSERT(
        !empty() && payload_ends_.size() <= kBatchEventsMax && payloads_.size() <= kPayloadBytesMax,
        payload_ends_.size(), payloads_.size());
    pad_columns();
    const std::size_t all_columns_bytes = columns_bytes(column_bits());
    CASC_ASSERT(all_columns_bytes <= kBatchBytesMax - kBatchOverheadBytes, all_columns_bytes);

    BatchHeader header{};
    header.producer_id = options.producer_id.value();
    header.producer_epoch = options.producer_epoch;
    header.base_sequence = options.base_sequence;
    header.created_at = created_at_.value();
    header.event_count = event_count();
    header.columns = column_bits();
    header.columns_bytes = static_cast<std::uint32_t>(all_columns_bytes);
    header.payload_bytes = static_cast<std::uint32_t>(payloads_.size());
    header.stored_payload_bytes = header.payload_bytes;
    header.codec = Codec::none;
    header.lane = lane_;

    const std::size_t payloads_at = at + kBatchOverheadBytes + header.columns_bytes;
    std::size_t stored = 0;
    if (options.codec == Codec::lz4 && payloads_.size() >= options.compress_bytes_min) {
        into.resize(payloads_at);
        stored = compress_lz4(payloads_, into);
        if (stored != 0) {
            header.codec = Codec::lz4;
            header.stored_payload_bytes = static_cast<std::uint32_t>(stored);
        }
    }
    const std::size_t batch_bytes =
        padded(kBatchOverheadBytes + header.columns_bytes + header.stored_payload_bytes);
    CASC_ASSERT(batch_bytes <= kBatchBytesMax, batch_bytes);
    into.resize(at + batch_bytes);

    std::byte* const batch = into.data() + at;
    Writer writer{batch + kBatchOverheadBytes};
    writer.column(payload_ends_);
    const auto bytes_column = [&](Column column, const BytesColumn& from) {
        if ((header.columns & bit(column)) == 0) return;
        writer.column(from.ends);
        writer.column(from.bytes);
    };
    const auto fixed_column = [&](Column column, const auto& from) {
        if ((header.columns & bit(column)) != 0) writer.column(from);
    };
    bytes_column(Column::keys, keys_);
    fixed_column(Column::message_ids, message_ids_);
    fixed_column(Column::timestamps, timestamps_);
    bytes_column(Column::headers, headers_);
    bytes_column(Column::types, types_);
    bytes_column(Column::correlation_ids, correlation_ids_);
    bytes_column(Column::sources, sources_);
    bytes_column(Column::destinations, destinations_);
    fixed_column(Column::schema_versions, schema_versions_);
    fixed_column(Column::time_to_live, time_to_live_);
    fixed_column(Column::deliver_at, deliver_at_);
    CASC_ASSERT(writer.at == into.data() + payloads_at);

    if (stored == 0) {
        writer.raw(payloads_.data(), payloads_.size());
    } else {
        std::byte* const end = writer.at + stored;
        std::memset(end, 0, static_cast<std::size_t>(batch + batch_bytes - end));
    }

    BatchStamp stamp{};
    stamp.magic = kBatchMagic;
    stamp.batch_bytes = static_cast<std::uint32_t>(batch_bytes);
    std::memcpy(batch + sizeof stamp, &header, sizeof header);
    stamp.body_crc = crc32c(std::span(batch, batch_bytes).subspan(sizeof stamp));
    std::memcpy(batch, &stamp, sizeof stamp);
    return {batch, batch_bytes};
}

void BatchBuilder::reset(Lane lane) {
    lane_ = lane;
    used_ = 0;
    payload_ends_.clear();
    payloads_.clear();
    for (BytesColumn* column :
         {&keys_, &headers_, &types_, &correlation_ids_, &sources_, &destinations_})
        column->clear();
    message_ids_.clear();
    timestamps_.clear();
    schema_versions_.clear();
    time_to_live_.clear();
    deliver_at_.clear();
}

}  // namespace casc::wire
