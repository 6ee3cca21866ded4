// make_corpus.cpp: writes the seeds of the fuzz corpora, small valid inputs from which the fuzzers
// start.
//
//   casc_fuzz_make_corpus tests/fuzz/corpus
//
// Run by hand when a format has grown; the files are kept in git, together with what the fuzzers
// have found.

#include "message_list.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/frame.hpp>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace casc;

using Bytes = std::vector<std::byte>;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

void write(const std::filesystem::path& path, std::span<const std::byte> content) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(content.data()),
              static_cast<std::streamsize>(content.size()));
    out.close();
    if (!out) throw std::runtime_error("cannot write " + path.string());
}

Bytes finished(wire::BatchBuilder& builder, const wire::FinishOptions& options, bool stamped) {
    Bytes storage;
    const auto batch = builder.finish(options, storage);
    if (stamped)
        wire::stamp_batch(batch, Offset(1000), EpochNanos(1'700'000'000'000'000'000), 7, 1);
    return Bytes(batch.begin(), batch.end());
}

Bytes minimal_batch() {
    wire::BatchBuilder builder;
    builder.add_payload(bytes_of("one"), EpochNanos(1));
    return finished(builder, {}, false);
}

Bytes compressed_batch() {
    wire::BatchBuilder builder(Lane::low);
    for (int i = 0; i < 40; ++i)
        builder.add_payload(bytes_of("the same again and again, "), EpochNanos(1));
    return finished(builder, {.codec = wire::Codec::lz4, .compress_bytes_min = 64}, true);
}

// Every column, present on some events and absent on others.
Bytes rich_batch() {
    const std::array<wire::HeaderInput, 2> headers{{{"trace", "00-4bf9"}, {"empty", ""}}};
    wire::BatchBuilder builder(Lane::critical);
    builder.add({.payload = bytes_of("all of it"),
                 .key = bytes_of("key-1"),
                 .headers = headers,
                 .message_id = std::array<std::byte, 16>{},
                 .timestamp = EpochNanos(5),
                 .type = "order.created",
                 .correlation_id = "c-1",
                 .source = "shop",
                 .destination = "stock",
                 .schema_version = 3,
                 .time_to_live_ms = 60'000,
                 .deliver_at = EpochNanos(9)},
                EpochNanos(4));
    builder.add({.payload = bytes_of("nothing but this")}, EpochNanos(6));
    builder.add({.payload = {}, .key = bytes_of("")}, EpochNanos(7));
    return finished(
        builder, {.producer_id = ProducerId(77), .producer_epoch = 2, .base_sequence = 30}, true);
}

Bytes frame_with(wire::FrameKind kind, wire::Api api, std::string_view body,
                 std::span<const std::byte> attachments) {
    Bytes frame(wire::framed_bytes(body.size()));
    wire::write_frame(frame, kind, api, 42, bytes_of(body), attachments.size());
    frame.insert(frame.end(), attachments.begin(), attachments.end());
    return frame;
}

Bytes operator+(Bytes first, const Bytes& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

void make_batches(const std::filesystem::path& folder) {
    write(folder / "minimal", minimal_batch());
    write(folder / "compressed", compressed_batch());
    write(folder / "every_column", rich_batch());
}

void make_frames(const std::filesystem::path& folder) {
    using wire::Api, wire::FrameKind;
    const Bytes ping = frame_with(FrameKind::request, Api::ping, "", {});
    const Bytes produce =
        frame_with(FrameKind::request, Api::produce, "a body of some bytes", rich_batch());
    const Bytes deliver =
        frame_with(FrameKind::push, Api::deliver, "two", minimal_batch() + compressed_batch());
    write(folder / "ping", ping);
    write(folder / "produce", produce);
    write(folder / "deliver_two_batches", deliver);
    write(folder / "three_frames_and_a_half",
          ping + produce + ping + Bytes(deliver.begin(), deliver.begin() + 40));
    write(folder / "http_request", bytes_of("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    write(folder / "tls_hello",
          bytes_of(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)));
}

// Messages with something in every field that has parts of its own.
template <class Message>
Message filled() {
    return {};
}

template <>
wire::fb::CreateTopicT filled() {
    wire::fb::CreateTopicT message;
    message.name = "orders";
    message.settings = std::make_unique<wire::fb::TopicSettingsT>();
    message.settings->partitions = 4;
    message.settings->retention_ms = 3'600'000;
    return message;
}

template <>
wire::fb::ListTopicsReplyT filled() {
    wire::fb::ListTopicsReplyT message;
    for (const char* name : {"orders", "stock"}) {
        auto topic = std::make_unique<wire::fb::TopicSummaryT>();
        topic->name = name;
        topic->settings = std::make_unique<wire::fb::TopicSettingsT>();
        message.topics.push_back(std::move(topic));
    }
    return message;
}

template <>
wire::fb::JoinGroupT filled() {
    wire::fb::JoinGroupT message;
    message.group = "billing";
    message.member_id = "m-1";
    message.topics = {"orders", "stock"};
    return message;
}

template <>
wire::fb::AssignmentT filled() {
    wire::fb::AssignmentT message;
    message.group = "billing";
    auto partition = std::make_unique<wire::fb::AssignedPartitionT>();
    partition->topic = "orders";
    partition->positions.push_back(std::make_unique<wire::fb::LanePositionT>());
    message.assign.push_back(std::move(partition));
    message.revoke.push_back(std::make_unique<wire::fb::TopicPartitionT>());
    return message;
}

template <>
wire::fb::CommitT filled() {
    wire::fb::CommitT message;
    message.group = "billing";
    message.positions.push_back(std::make_unique<wire::fb::PartitionPositionT>());
    return message;
}

// One record each of the body of a journal entry; the layout is that of
// storage/src/entry_records.hpp.
Bytes record(std::uint8_t kind, std::uint8_t table, std::uint64_t log, std::string_view key,
             std::span<const std::byte> value) {
    const auto key_bytes = static_cast<std::uint16_t>(key.size());
    const auto value_bytes = static_cast<std::uint32_t>(value.size());
    Bytes out(16);
    out[0] = std::byte{kind};
    out[1] = std::byte{table};
    std::memcpy(out.data() + 2, &key_bytes, sizeof key_bytes);
    std::memcpy(out.data() + 4, &value_bytes, sizeof value_bytes);
    std::memcpy(out.data() + 8, &log, sizeof log);
    const auto key_as_bytes = bytes_of(key);
    out.insert(out.end(), key_as_bytes.begin(), key_as_bytes.end());
    out.insert(out.end(), value.begin(), value.end());
    out.resize((out.size() + 7) / 8 * 8);
    return out;
}

void make_entries(const std::filesystem::path& folder) {
    const std::uint64_t offset = 12;
    const auto number = std::as_bytes(std::span(&offset, 1));
    const Bytes batch = record(1, 3, 0x100000002, "", rich_batch());
    const Bytes put = record(2, 17, 0, "group/billing", bytes_of("its value"));
    const Bytes erase = record(3, 18, 0, "group/billing/orders", {});
    const Bytes trim = record(4, 0, 0x100000002, "", number);
    const Bytes erase_log = record(5, 0, 0x100000002, "", {});
    const Bytes reserve = record(6, 0, 0x100000002, "", number);
    write(folder / "batch", batch);
    write(folder / "every_kind", batch + put + erase + trim + erase_log + reserve);
    write(folder / "two_batches_and_a_put", batch + batch + put);
}

template <std::size_t Index>
void make_message(const std::filesystem::path& folder) {
    using Table = std::tuple_element_t<Index, fuzz::MessageList>;
    wire::Encoder encoder;
    const auto body = encoder.encode(filled<typename Table::NativeTableType>());
    Bytes input{static_cast<std::byte>(Index)};
    input.insert(input.end(), body.begin(), body.end());
    write(folder / ("body_" + std::to_string(Index)), input);
}

template <std::size_t... Index>
void make_messages(const std::filesystem::path& folder, std::index_sequence<Index...>) {
    (make_message<Index>(folder), ...);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: " << argv[0] << " <corpus folder>\n";
        return 2;
    }
    const std::filesystem::path corpus = argv[1];
    make_batches(corpus / "batch");
    make_frames(corpus / "frame");
    make_entries(corpus / "entry");
    make_messages(corpus / "message", std::make_index_sequence<fuzz::kMessageCount>{});
    return 0;
}
