#include "event_format.hpp"

#include "text_codec.hpp"
#include "values.hpp"

namespace casc::admin {

namespace {

constexpr std::string_view kFields = "tplokvhTs";

Error bad(std::string what) {
    return Error(ErrorCode::invalid_request, std::move(what));
}

std::string headers_text(std::span<const std::byte> encoded) {
    std::string text;
    wire::HeaderCursor cursor(encoded);
    for (std::string_view name, value; cursor.next(name, value);)
        text.append(text.empty() ? "" : ",").append(name).append("=").append(value);
    return text;
}

}  // namespace

Result<EventFormat> EventFormat::parse(std::string_view text) {
    EventFormat format;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c == '%')
            CASC_TRY_VOID(format.add_field(text));
        else if (c == '\\')
            CASC_TRY_VOID(format.add_escape(text));
        else
            format.add_literal(c);
    }
    return format;
}

void EventFormat::add_literal(char c) {
    if (parts_.empty() || parts_.back().field != 0) parts_.push_back({0, Encoding::plain, {}});
    parts_.back().text += c;
}

Result<void> EventFormat::add_escape(std::string_view& rest) {
    if (rest.empty()) return bad("a format must not end in a single \\");
    constexpr std::string_view kNames = "nt\\0r";
    constexpr std::string_view kMeanings("\n\t\\\0\r", 5);
    const std::size_t found = kNames.find(rest.front());
    if (found == kNames.npos)
        return bad("\\" + std::string(1, rest.front()) +
                   " means nothing in a format; there are \\n \\t \\r \\0 \\\\");
    add_literal(kMeanings[found]);
    rest.remove_prefix(1);
    return {};
}

Result<void> EventFormat::add_field(std::string_view& rest) {
    if (rest.empty()) return bad("a format must not end in a single %");
    const char field = rest.front();
    rest.remove_prefix(1);
    if (field == '%') {
        add_literal('%');
        return {};
    }
    if (kFields.find(field) == kFields.npos)
        return bad("%" + std::string(1, field) +
                   " means nothing in a format; there are %t %p %l %o %k %v %h %T %s %%");
    Encoding encoding = Encoding::plain;
    if (rest.starts_with('{')) {
        const std::size_t end = rest.find('}');
        const std::string_view name = rest.substr(1, end == rest.npos ? rest.npos : end - 1);
        const bool bytes = field == 'k' || field == 'v';
        if (end != rest.npos && bytes && name == "hex")
            encoding = Encoding::hex;
        else if (end != rest.npos && bytes && name == "base64")
            encoding = Encoding::base64;
        else if (end != rest.npos && field == 'T' && name == "ms")
            encoding = Encoding::ms;
        else if (end != rest.npos && field == 'T' && name == "ns")
            encoding = Encoding::ns;
        else if (end == rest.npos ||
                 !((bytes && name == "text") || (field == 'T' && name == "rfc3339")))
            return bad(
                "%" + std::string(1, field) + "{" + std::string(name) +
                "} means nothing; %k and %v take {text}, {hex}, {base64}, %T takes {rfc3339}, "
                "{ms}, {ns}");
        rest.remove_prefix(end + 1);
    }
    parts_.push_back({field, encoding, {}});
    return {};
}

void EventFormat::append(std::string& out, const client::ConsumedEvent& consumed) const {
    const wire::EventView& event = consumed.event;
    const auto bytes = [&](Encoding encoding, std::string_view text) {
        if (encoding == Encoding::hex)
            out += to_hex(text);
        else if (encoding == Encoding::base64)
            out += to_base64(text);
        else
            out += text;
    };
    for (const Part& part : parts_) {
        switch (part.field) {
            case 0:
                out += part.text;
                break;
            case 't':
                out += consumed.topic;
                break;
            case 'p':
                out += std::to_string(consumed.partition.value());
                break;
            case 'l':
                out += to_string(event.lane);
                break;
            case 'o':
                out += std::to_string(event.offset.value());
                break;
            case 'k':
                bytes(part.encoding, event.key ? as_text(*event.key) : "");
                break;
            case 'v':
                bytes(part.encoding, as_text(event.payload));
                break;
            case 'h':
                out += headers_text(event.headers);
                break;
            case 's':
                out += std::to_string(event.payload.size());
                break;
            case 'T':
                if (part.encoding == Encoding::plain)
                    out += format_time(event.timestamp);
                else
                    out += std::to_string(event.timestamp.value() /
                                          (part.encoding == Encoding::ms ? 1'000'000 : 1));
                break;
        }
    }
}

}  // namespace casc::admin
