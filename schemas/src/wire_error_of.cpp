#include <casc/wire/error_of.hpp>

namespace casc::wire {
namespace {

template <class Table>
Error error_from(const Table& table, std::uint16_t code) {
    const auto* const message = table.message();
    Error error(static_cast<ErrorCode>(code), message == nullptr ? std::string() : message->str(),
                table.retry_after_ms());
    error.fallback_available = table.fallback_available();
    return error;
}

}  // namespace

Error error_of(const fb::ErrorReply& reply) {
    return error_from(reply, reply.code());
}
Error error_of(const fb::Answer& answer) {
    return error_from(answer, answer.error());
}
Error error_of(const fb::ReplyPart& part) {
    return error_from(part, part.error());
}

}  // namespace casc::wire
