#pragma once
// One value of a JSON text, found without making a tree of it.
//
// The text is walked from its beginning to the value and not further; what is passed over is only
// looked at as far as it takes to find its end. So a text that is not JSON has no value, or one
// that somebody else may not see in it; it never does harm.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace casc::broker {

// The name of a member, or the place of an element counted from 0.
struct JsonStep {
    std::string key{};
    std::uint32_t index = 0;
    bool is_index = false;
    friend bool operator==(const JsonStep&, const JsonStep&) = default;
};

enum class JsonKind : std::uint8_t { missing, text, number, boolean, null, object, array };

// A view into the text that it was found in.
struct JsonValue {
    JsonKind kind = JsonKind::missing;
    bool truth = false;      // of a boolean only
    bool escaped = false;    // of a text only: it has backslashes
    std::string_view raw{};  // of a text, without its quotes; of a number
};

// Thread: any. Of members that have the same name the first one counts. `into` is written in place:
// a value that was just written field by field is slow to copy.
void find_json(std::string_view text, std::span<const JsonStep> path, JsonValue& into) noexcept;

// What the escapes in `raw` mean, put into `into`. False: one of them means nothing.
[[nodiscard]] bool unescape_json(std::string_view raw, std::string& into);

}  // namespace casc::broker
