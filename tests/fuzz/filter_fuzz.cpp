// filter_fuzz.cpp: a filter and an event from strangers.
//
// Input: the filter up to the first zero byte, then the event's payload, which is its key, type and
// a header, too. A filter is refused with its place, or it can be read again, says the opposite
// when it is negated, and reads nothing but the event.

#include "filter_match.hpp"
#include "fuzz_target.hpp"

#include <casc/wire/batch_builder.hpp>

#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace casc;

std::vector<std::byte> batch_with(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    const std::array<wire::HeaderInput, 2> headers{{{"h", text.substr(0, 100)}, {"region", "eu"}}};
    wire::BatchBuilder builder(Lane::normal);
    wire::EventInput event{.payload = bytes, .key = bytes, .headers = headers};
    event.type = text.substr(0, 50);
    builder.add(event, EpochNanos(1));
    builder.add({.payload = bytes}, EpochNanos(1));
    std::vector<std::byte> batch;
    builder.finish({}, batch);
    return batch;
}

std::uint64_t matching(const broker::Filter& filter, const std::vector<std::byte>& bytes) {
    const auto batch = wire::BatchView::parse(bytes);
    CASC_ASSERT(batch.has_value());
    static broker::FilterMatcher matcher;
    const std::uint64_t found = matcher.match(filter, *batch, 0, 3, [&] {
        return std::optional<std::span<const std::byte>>(batch->stored_payloads());
    });
    CASC_ASSERT((found & ~std::uint64_t{3}) == 0, found);
    return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(input.find('\0'), size);
    const std::string text(input.substr(0, end));
    const auto filter = broker::Filter::parse(text);
    if (!filter) {
        const ErrorCode code = filter.error().code;
        CASC_ASSERT(code == ErrorCode::invalid_filter || code == ErrorCode::filter_too_expensive);
        CASC_ASSERT(!filter.error().detail.empty());
        return 0;
    }
    CASC_ASSERT(filter->cost() <= broker::Filter::kCostMax, filter->cost());
    // Copied to where nothing lies behind it, so that a look too far is found.
    const std::vector<char> rest(input.begin() + static_cast<std::ptrdiff_t>(end), input.end());
    const auto batch = batch_with({rest.data(), rest.size()});
    const std::uint64_t found = matching(*filter, batch);
    const auto negated = broker::Filter::parse("!(" + text + ")");
    if (negated) CASC_ASSERT(matching(*negated, batch) == (found ^ 3), found);
    return 0;
}
