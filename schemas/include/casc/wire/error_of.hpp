#pragma once
// casc/wire/error_of.hpp: the failure that a message tells of.

#include <casc/types/error.hpp>
#include <casc/wire/messages.hpp>

namespace casc::wire {

// Thread: any. A number that is not known here is kept, see error_info().
[[nodiscard]] Error error_of(const fb::ErrorReply& reply);
[[nodiscard]] Error error_of(const fb::Answer& answer);
[[nodiscard]] Error error_of(const fb::ReplyPart& part);

}  // namespace casc::wire
