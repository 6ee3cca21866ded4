#pragma once
// casc/types/error.hpp: every way in which casc can say no, with a number that never changes.
//
// Numbers 1001 … 5001 of the first column that have no comment are those of the cross-system
// interface that casc took over; they keep their meaning. New codes are added at the end of their
// thousand and never renumbered.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace casc {

// X(identifier, number, WIRE_NAME, retryable, sentence)
//   1xxx connection and framing, 2xxx identity, 3xxx inference, 4xxx the request, 5xxx the broker
//   itself
#define CASC_ERROR_CODES(X)                                                                       \
    X(connection_error, 1001, "CONNECTION_ERROR", true, "the network connection failed")          \
    X(timeout, 1002, "TIMEOUT", true, "the request was not answered before its deadline")         \
    X(frame_too_large, 1003, "FRAME_TOO_LARGE", false,                                            \
      "a frame is longer than the limit of the receiver")                                         \
    X(bad_magic, 1004, "BAD_MAGIC", false, "the peer does not speak the casc protocol")           \
    X(unsupported_version, 1005, "UNSUPPORTED_VERSION", false,                                    \
      "no protocol version is shared by both sides")                                              \
    X(frame_corrupt, 1006, "FRAME_CORRUPT", true, "a frame does not match its checksum")          \
    X(malformed_message, 1007, "MALFORMED_MESSAGE", false,                                        \
      "a message body is not a valid message of its kind")                                        \
    X(too_many_connections, 1008, "TOO_MANY_CONNECTIONS", true,                                   \
      "the broker's connection limit is reached")                                                 \
    X(connection_closed, 1009, "CONNECTION_CLOSED", true,                                         \
      "the connection was closed before the answer came")                                         \
    X(handshake_required, 1010, "HANDSHAKE_REQUIRED", false,                                      \
      "the first frame of a connection must be a hello")                                          \
    X(auth_failed, 2001, "AUTH_FAILED", false, "authentication failed")                           \
    X(permission_denied, 2002, "PERMISSION_DENIED", false, "the identity lacks a permission")     \
    X(model_not_found, 3001, "MODEL_NOT_FOUND", false, "the requested model is not available")    \
    X(model_overloaded, 3002, "MODEL_OVERLOADED", true, "the queue of the model is full")         \
    X(model_unusable, 3003, "MODEL_UNUSABLE", false,                                              \
      "the files of the model are damaged, incomplete or of a kind that is not supported")        \
    X(model_too_large, 3004, "MODEL_TOO_LARGE", false,                                            \
      "the device has not the memory that the model needs")                                       \
    X(inference_failed, 3005, "INFERENCE_FAILED", false,                                          \
      "the model came to numbers that are none for this request")                                 \
    X(device_failed, 3006, "DEVICE_FAILED", true, "the device that computes models has failed")   \
    X(invalid_request, 4001, "INVALID_REQUEST", false, "the request is malformed")                \
    X(unknown_api, 4002, "UNKNOWN_API", false, "the request kind is not known to this broker")    \
    X(unknown_topic, 4003, "UNKNOWN_TOPIC", false, "there is no topic of that name or number")    \
    X(unknown_partition, 4004, "UNKNOWN_PARTITION", false, "the topic has no such partition")     \
    X(unknown_lane, 4005, "UNKNOWN_LANE", false, "there is no such priority lane")                \
    X(topic_exists, 4006, "TOPIC_EXISTS", false, "a topic of that name exists already")           \
    X(batch_malformed, 4007, "BATCH_MALFORMED", false,                                            \
      "the lengths or counts inside a batch disagree")                                            \
    X(batch_corrupt, 4008, "BATCH_CORRUPT", true, "a batch does not match its checksum")          \
    X(event_too_large, 4009, "EVENT_TOO_LARGE", false,                                            \
      "an event or batch is larger than the topic allows")                                        \
    X(offset_out_of_range, 4010, "OFFSET_OUT_OF_RANGE", false,                                    \
      "the offset is outside what the log still holds")                                           \
    X(unknown_group, 4011, "UNKNOWN_GROUP", false, "there is no consumer group of that name")     \
    X(unknown_member, 4012, "UNKNOWN_MEMBER", false,                                              \
      "the member is not, or no longer, part of the group")                                       \
    X(member_in_use, 4013, "MEMBER_IN_USE", false, "another live connection uses that member id") \
    X(stale_group_epoch, 4014, "STALE_GROUP_EPOCH", false,                                        \
      "the group has moved on since that assignment")                                             \
    X(producer_fenced, 4015, "PRODUCER_FENCED", false,                                            \
      "a newer instance of this producer has taken over")                                         \
    X(sequence_gap, 4016, "SEQUENCE_GAP", false,                                                  \
      "a batch of this producer is missing before this one")                                      \
    X(sequence_too_old, 4017, "SEQUENCE_TOO_OLD", false,                                          \
      "a duplicate older than the deduplication window")                                          \
    X(group_not_empty, 4018, "GROUP_NOT_EMPTY", false, "the group still has members")             \
    X(not_supported, 4019, "NOT_SUPPORTED", false, "this version of casc does not do that")       \
    X(unknown_producer, 4020, "UNKNOWN_PRODUCER", false,                                          \
      "the producer id was never given out or has expired")                                       \
    X(invalid_config, 4021, "INVALID_CONFIG", false,                                              \
      "a setting has an unknown name or a bad value")                                             \
    X(unknown_subscription, 4022, "UNKNOWN_SUBSCRIPTION", false,                                  \
      "the connection has no subscription of that id")                                            \
    X(no_committed_offset, 4023, "NO_COMMITTED_OFFSET", false,                                    \
      "the group has no position and the policy is error")                                        \
    X(cancelled, 4024, "CANCELLED", false, "the operation was cancelled by its caller")           \
    X(queue_full, 4025, "QUEUE_FULL", true, "the client's own bound on unsent events is reached") \
    X(already_subscribed, 4026, "ALREADY_SUBSCRIBED", false,                                      \
      "the subscription id is in use on this connection")                                         \
    X(wrong_group_kind, 4027, "WRONG_GROUP_KIND", false,                                          \
      "the group is of the other kind: stream or queue")                                          \
    X(lease_lost, 4028, "LEASE_LOST", false,                                                      \
      "the event is not, or no longer, leased to this member")                                    \
    X(unknown_schedule, 4029, "UNKNOWN_SCHEDULE", false,                                          \
      "there is no schedule of that name or number; it may have run")                             \
    X(no_responders, 4030, "NO_RESPONDERS", true, "nobody serves the subject")                    \
    X(responder_lost, 4031, "RESPONDER_LOST", true,                                               \
      "the connection of the responder ended before its answer came")                             \
    X(responder_failed, 4032, "RESPONDER_FAILED", false, "the responder could not do it")         \
    X(call_ended, 4033, "CALL_ENDED", false, "nobody waits for an answer any more")               \
    X(circuit_open, 4034, "CIRCUIT_OPEN", true, "after failures nothing is sent for a while")     \
    X(tap_full, 4035, "TAP_FULL", true,                                                           \
      "a tap of this very connection is full and holds its producers back")                       \
    X(tap_cut_off, 4036, "TAP_CUT_OFF", false,                                                    \
      "the tap was full, held its producers back and took nothing for too long")                  \
    X(invalid_filter, 4040, "INVALID_FILTER", false, "the filter is not a valid expression")      \
    X(filter_too_expensive, 4041, "FILTER_TOO_EXPENSIVE", false,                                  \
      "the filter is longer, deeper or costlier than the broker allows")                          \
    X(invalid_pattern, 4042, "INVALID_PATTERN", false,                                            \
      "the subject has a wildcard where none can be")                                             \
    X(key_required, 4050, "KEY_REQUIRED", false, "every event of a compacted topic has a key")    \
    X(revision_conflict, 4051, "REVISION_CONFLICT", false,                                        \
      "the key is not at the expected revision")                                                  \
    X(not_compacted, 4052, "NOT_COMPACTED", false,                                                \
      "the topic is not compacted, so its keys have no values to look up")                        \
    X(wrong_partition, 4053, "WRONG_PARTITION", false,                                            \
      "a compacted topic keeps a key in the partition that its hash names")                       \
    X(revision_compacted, 4054, "REVISION_COMPACTED", false,                                      \
      "deletions behind that revision have been compacted away")                                  \
    X(ring_corrupt, 4060, "RING_CORRUPT", false,                                                  \
      "the shared memory of the connection holds nonsense")                                       \
    X(internal_error, 5001, "INTERNAL_ERROR", true,                                               \
      "the broker failed in a way it does not explain")                                           \
    X(storage_failed, 5002, "STORAGE_FAILED", false,                                              \
      "the storage failed and is frozen until restart")                                           \
    X(disk_full, 5003, "DISK_FULL", true, "the disk is too full to accept more")                  \
    X(overloaded, 5004, "OVERLOADED", true, "a memory or rate limit of the broker is reached")    \
    X(data_corrupt, 5005, "DATA_CORRUPT", false, "stored data does not match its checksum")       \
    X(data_locked, 5006, "DATA_LOCKED", false, "another process uses the data folder")            \
    X(data_version, 5007, "DATA_VERSION", false,                                                  \
      "the data folder was written by another version of the format")                             \
    X(data_unwritable, 5008, "DATA_UNWRITABLE", false, "the data folder cannot be written")       \
    X(shutting_down, 5009, "SHUTTING_DOWN", true, "the broker is stopping")                       \
    X(io_failed, 5010, "IO_FAILED", false, "a disk operation failed")                             \
    X(data_missing, 5011, "DATA_MISSING", false, "a file that the store needs is not there")

enum class ErrorCode : std::uint16_t {
    ok = 0,
#define CASC_X(identifier, number, name, retry, sentence) identifier = number,
    CASC_ERROR_CODES(CASC_X)
#undef CASC_X
};

struct ErrorInfo {
    ErrorCode code;
    std::string_view name;      // as on the wire and in logs: UNKNOWN_TOPIC
    bool retryable;             // the same request may succeed later
    std::string_view sentence;  // what it means, without the particulars
};

// The table row of `code`; an unknown number (from a newer peer) reads as INTERNAL_ERROR's row with
// that number.
[[nodiscard]] ErrorInfo error_info(ErrorCode code) noexcept;

[[nodiscard]] inline std::string_view to_string(ErrorCode code) noexcept {
    return error_info(code).name;
}

// A failure: the code, and for people what exactly happened. Built without a detail it does not
// allocate.
struct [[nodiscard]] Error {
    ErrorCode code = ErrorCode::internal_error;
    std::string detail;
    std::uint32_t retry_after_ms = 0;  // 0: no advice
    bool fallback_available = false;   // somebody else may answer the same request

    Error(ErrorCode c) noexcept
        : code(c) {}  // NOLINT(google-explicit-constructor): `return ErrorCode::timeout;`
    Error(ErrorCode c, std::string d, std::uint32_t retry_after = 0)
        : code(c), detail(std::move(d)), retry_after_ms(retry_after) {}

    // "UNKNOWN_TOPIC (4003): there is no topic of that name or number: 'orders'"
    [[nodiscard]] std::string message() const;
};

}  // namespace casc
