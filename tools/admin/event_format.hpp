#pragma once
// tools/admin/event_format.hpp: the printf language of `consume -f`.
//
//   %t topic  %p partition  %l lane  %o offset  %k key  %v value  %h headers (name=value, commas)
//   %T time of creation  %s bytes of the value  %%  and \n \t \\ \0
//   %k and %v take {text}, {hex} or {base64}; %T takes {rfc3339}, {ms} or {ns}
//
// Thread: any (a value).

#include <casc/client/event_batch.hpp>
#include <casc/types/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace casc::admin {

class EventFormat {
public:
    // Fails with invalid_request, naming what was not understood.
    [[nodiscard]] static Result<EventFormat> parse(std::string_view text);

    void append(std::string& out, const client::ConsumedEvent& event) const;

private:
    enum class Encoding : std::uint8_t { plain, hex, base64, ms, ns };
    struct Part {
        char field;  // 0: literal text
        Encoding encoding = Encoding::plain;
        std::string text;
    };
    [[nodiscard]] Result<void> add_field(std::string_view& rest);
    [[nodiscard]] Result<void> add_escape(std::string_view& rest);
    void add_literal(char c);

    std::vector<Part> parts_;
};

}  // namespace casc::admin
