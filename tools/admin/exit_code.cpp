#include "exit_code.hpp"

namespace casc::admin {

ExitCode exit_code_for(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::ok:
            return ExitCode::ok;
        case ErrorCode::invalid_request:
        case ErrorCode::invalid_config:
        case ErrorCode::unknown_lane:
            return ExitCode::usage;
        case ErrorCode::connection_error:
        case ErrorCode::connection_closed:
        case ErrorCode::timeout:
        case ErrorCode::too_many_connections:
        case ErrorCode::bad_magic:
        case ErrorCode::unsupported_version:
        case ErrorCode::shutting_down:
            return ExitCode::unreachable;
        case ErrorCode::auth_failed:
        case ErrorCode::permission_denied:
            return ExitCode::denied;
        case ErrorCode::unknown_topic:
        case ErrorCode::unknown_partition:
        case ErrorCode::unknown_group:
        case ErrorCode::unknown_member:
        case ErrorCode::unknown_schedule:
        case ErrorCode::unknown_producer:
        case ErrorCode::model_not_found:
        case ErrorCode::no_responders:
        case ErrorCode::no_committed_offset:
        case ErrorCode::data_missing:
            return ExitCode::not_found;
        case ErrorCode::topic_exists:
        case ErrorCode::group_not_empty:
        case ErrorCode::member_in_use:
        case ErrorCode::stale_group_epoch:
        case ErrorCode::producer_fenced:
        case ErrorCode::revision_conflict:
        case ErrorCode::revision_compacted:
        case ErrorCode::data_locked:
            return ExitCode::conflict;
        default:
            return ExitCode::failed;
    }
}

std::string hint_for(const Error& error) {
    switch (error.code) {
        case ErrorCode::connection_error:
        case ErrorCode::connection_closed:
            return "is casc-broker running there? Name another address with --endpoint or a "
                   "context "
                   "(casc-admin context ls)";
        case ErrorCode::timeout:
            return "the broker did not answer in time; try a longer --timeout, or "
                   "casc-admin check live";
        case ErrorCode::bad_magic:
        case ErrorCode::frame_corrupt:
            return "that port may belong to something else; the broker's HTTP port is not its "
                   "client port";
        case ErrorCode::too_many_connections:
            return "raise limits.connections, or close some clients";
        case ErrorCode::unknown_topic:
            return "casc-admin topic ls shows the topics, casc-admin topic create makes one";
        case ErrorCode::unknown_partition:
            return "casc-admin topic info shows the partitions, topic add-partitions makes more";
        case ErrorCode::unknown_lane:
            return "the lanes are critical, high, normal and low";
        case ErrorCode::topic_exists:
            return "topic create --if-not-exists is content with that, topic alter changes it";
        case ErrorCode::no_responders:
            return "casc-admin service ls shows the subjects that are served";
        case ErrorCode::unknown_group:
            return "casc-admin group ls shows the groups; one exists from its first member or "
                   "commit on";
        case ErrorCode::unknown_schedule:
            return "casc-admin schedule ls shows what waits; it may have run, or been cancelled";
        case ErrorCode::unknown_producer:
            return "a producer has a number when it has connected, a name if its program gave it "
                   "one "
                   "(ProducerOptions::name); its client's id will do";
        case ErrorCode::group_not_empty:
            return "stop its members first; casc-admin group info shows them";
        case ErrorCode::event_too_large:
            return "topic info shows the largest event, topic alter --event-bytes-max changes it";
        case ErrorCode::offset_out_of_range:
            return "topic info shows the offsets that each log holds";
        case ErrorCode::not_compacted:
            return "topic create --cleanup compact makes one that is";
        case ErrorCode::key_required:
            return "produce with --key, or to a topic that is not compacted";
        case ErrorCode::revision_conflict:
            return "kv get shows the value as it is now";
        case ErrorCode::disk_full:
            return "free some space on the broker's disk, or shorten the retention of a topic";
        case ErrorCode::storage_failed:
            return "read the broker's log and the kernel's, then restart the broker";
        case ErrorCode::data_locked:
            return "stop the broker that uses the folder, or make a backup and look at that";
        case ErrorCode::overloaded:
            return "try again later";
        default:
            return {};
    }
}

}  // namespace casc::admin
