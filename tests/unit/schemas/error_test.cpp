// The error numbers are on the wire and in other people's programs. The table below is written by
// hand on purpose: a change of error.hpp that renumbers, renames or drops a code fails here. Only
// additions are made to it.
#include <casc/types/error.hpp>

#include <doctest/doctest.h>

#include <array>
#include <set>

using namespace casc;

namespace {

struct Published {
    unsigned number;
    std::string_view name;
    bool retryable;
};

constexpr std::array kPublished{
    Published{1001, "CONNECTION_ERROR", true},
    Published{1002, "TIMEOUT", true},
    Published{1003, "FRAME_TOO_LARGE", false},
    Published{1004, "BAD_MAGIC", false},
    Published{1005, "UNSUPPORTED_VERSION", false},
    Published{1006, "FRAME_CORRUPT", true},
    Published{1007, "MALFORMED_MESSAGE", false},
    Published{1008, "TOO_MANY_CONNECTIONS", true},
    Published{1009, "CONNECTION_CLOSED", true},
    Published{1010, "HANDSHAKE_REQUIRED", false},
    Published{2001, "AUTH_FAILED", false},
    Published{2002, "PERMISSION_DENIED", false},
    Published{3001, "MODEL_NOT_FOUND", false},
    Published{3002, "MODEL_OVERLOADED", true},
    Published{3003, "MODEL_UNUSABLE", false},
    Published{3004, "MODEL_TOO_LARGE", false},
    Published{3005, "INFERENCE_FAILED", false},
    Published{3006, "DEVICE_FAILED", true},
    Published{4001, "INVALID_REQUEST", false},
    Published{4002, "UNKNOWN_API", false},
    Published{4003, "UNKNOWN_TOPIC", false},
    Published{4004, "UNKNOWN_PARTITION", false},
    Published{4005, "UNKNOWN_LANE", false},
    Published{4006, "TOPIC_EXISTS", false},
    Published{4007, "BATCH_MALFORMED", false},
    Published{4008, "BATCH_CORRUPT", true},
    Published{4009, "EVENT_TOO_LARGE", false},
    Published{4010, "OFFSET_OUT_OF_RANGE", false},
    Published{4011, "UNKNOWN_GROUP", false},
    Published{4012, "UNKNOWN_MEMBER", false},
    Published{4013, "MEMBER_IN_USE", false},
    Published{4014, "STALE_GROUP_EPOCH", false},
    Published{4015, "PRODUCER_FENCED", false},
    Published{4016, "SEQUENCE_GAP", false},
    Published{4017, "SEQUENCE_TOO_OLD", false},
    Published{4018, "GROUP_NOT_EMPTY", false},
    Published{4019, "NOT_SUPPORTED", false},
    Published{4020, "UNKNOWN_PRODUCER", false},
    Published{4021, "INVALID_CONFIG", false},
    Published{4022, "UNKNOWN_SUBSCRIPTION", false},
    Published{4023, "NO_COMMITTED_OFFSET", false},
    Published{4024, "CANCELLED", false},
    Published{4025, "QUEUE_FULL", true},
    Published{4026, "ALREADY_SUBSCRIBED", false},
    Published{4027, "WRONG_GROUP_KIND", false},
    Published{4028, "LEASE_LOST", false},
    Published{4029, "UNKNOWN_SCHEDULE", false},
    Published{4030, "NO_RESPONDERS", true},
    Published{4031, "RESPONDER_LOST", true},
    Published{4032, "RESPONDER_FAILED", false},
    Published{4033, "CALL_ENDED", false},
    Published{4034, "CIRCUIT_OPEN", true},
    Published{4035, "TAP_FULL", true},
    Published{4036, "TAP_CUT_OFF", false},
    Published{4040, "INVALID_FILTER", false},
    Published{4041, "FILTER_TOO_EXPENSIVE", false},
    Published{4042, "INVALID_PATTERN", false},
    Published{4050, "KEY_REQUIRED", false},
    Published{4051, "REVISION_CONFLICT", false},
    Published{4052, "NOT_COMPACTED", false},
    Published{4053, "WRONG_PARTITION", false},
    Published{4054, "REVISION_COMPACTED", false},
    Published{4060, "RING_CORRUPT", false},
    Published{5001, "INTERNAL_ERROR", true},
    Published{5002, "STORAGE_FAILED", false},
    Published{5003, "DISK_FULL", true},
    Published{5004, "OVERLOADED", true},
    Published{5005, "DATA_CORRUPT", false},
    Published{5006, "DATA_LOCKED", false},
    Published{5007, "DATA_VERSION", false},
    Published{5008, "DATA_UNWRITABLE", false},
    Published{5009, "SHUTTING_DOWN", true},
    Published{5010, "IO_FAILED", false},
    Published{5011, "DATA_MISSING", false},
};

constexpr std::array kDefined{
#define CASC_X(identifier, number, name, retry, sentence) ErrorCode::identifier,
    CASC_ERROR_CODES(CASC_X)
#undef CASC_X
};

}  // namespace

TEST_CASE("schemas/error: every published number still has its name and its retry flag") {
    for (const Published& published : kPublished) {
        const ErrorInfo info = error_info(static_cast<ErrorCode>(published.number));
        CAPTURE(published.number);
        CHECK(info.name == published.name);
        CHECK(info.retryable == published.retryable);
        CHECK_FALSE(info.sentence.empty());
    }
}

TEST_CASE("schemas/error: every code that exists is published in the table above, once") {
    std::set<unsigned> numbers;
    std::set<std::string_view> names;
    for (const Published& published : kPublished) {
        numbers.insert(published.number);
        names.insert(published.name);
    }
    CHECK(numbers.size() == kPublished.size());
    CHECK(names.size() == kPublished.size());
    for (const ErrorCode code : kDefined)
        CHECK(numbers.contains(static_cast<unsigned>(code)));
    CHECK(kDefined.size() == kPublished.size());
}

TEST_CASE("schemas/error: a message names the code, its number, what it means and what happened") {
    CHECK(Error(ErrorCode::unknown_topic, "'orders'").message() ==
          "UNKNOWN_TOPIC (4003): there is no topic of that name or number: 'orders'");
    CHECK(Error(ErrorCode::timeout).message() ==
          "TIMEOUT (1002): the request was not answered before its deadline");
    CHECK(to_string(ErrorCode::ok) == "OK");
}

TEST_CASE(
    "schemas/error: a number from a newer peer reads as a retryable internal error and keeps its "
    "number") {
    for (const unsigned number : {1u, 1000u, 4999u, 65535u}) {
        const ErrorInfo info = error_info(static_cast<ErrorCode>(number));
        CHECK(static_cast<unsigned>(info.code) == number);
        CHECK(info.name == "INTERNAL_ERROR");
        CHECK(info.retryable);
    }
}
