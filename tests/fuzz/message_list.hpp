#pragma once
// message_list.hpp: every table that can be the body of a frame. The first byte of a message fuzz
// input picks one by its place here.

#include <casc/wire/message_list.hpp>
#include <casc/wire/messages.hpp>

#include <tuple>

namespace casc::fuzz {

namespace fb = wire::fb;

template <class, class... Tables>
using TupleOfRest = std::tuple<Tables...>;

#define CASC_FUZZ_TABLE(Table) , fb::Table
using MessageList = TupleOfRest<void CASC_WIRE_MESSAGES(CASC_FUZZ_TABLE)>;
#undef CASC_FUZZ_TABLE

inline constexpr std::size_t kMessageCount = std::tuple_size_v<MessageList>;

}  // namespace casc::fuzz
