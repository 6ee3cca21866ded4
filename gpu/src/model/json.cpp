#include "model/json.hpp"

#include <casc/types/utf8.hpp>

#include <algorithm>
#include <charconv>

namespace casc::gpu {

// ---- reading it ---------------------------------------------------------------------------------

class JsonParser {
public:
    JsonParser(std::string_view text, const Json::Limits& limits) : text_(text), limits_(limits) {}

    Result<Json> document() {
        CASC_TRY(Json value, this->value(0));
        skip_space();
        if (at_ != text_.size()) return refuse("something behind its end");
        return value;
    }

private:
    [[nodiscard]] Error refuse(std::string_view what) const {
        return Error(ErrorCode::model_unusable,
                     "JSON with " + std::string(what) + " at byte " + std::to_string(at_));
    }
    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
    [[nodiscard]] bool take(char wanted) noexcept {
        if (peek() != wanted || at_ == text_.size()) return false;
        ++at_;
        return true;
    }
    [[nodiscard]] bool take(std::string_view word) noexcept {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }
    void skip_space() noexcept {
        while (at_ < text_.size() &&
               std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos)
            ++at_;
    }

    Result<Json> value(std::size_t depth) {
        if (++values_ > limits_.values_max) return refuse("too many values");
        skip_space();
        Json json;
        switch (peek()) {
            case '{':
                return object(depth);
            case '[':
                return array(depth);
            case '"': {
                CASC_TRY(json.value_, string());
                return json;
            }
            case 't':
                if (take("true")) return of(true);
                break;
            case 'f':
                if (take("false")) return of(false);
                break;
            case 'n':
                if (take("null")) return json;
                break;
            default:
                return number();
        }
        return refuse("an unknown word");
    }
    template <class T>
    static Json of(T value) {
        Json json;
        json.value_ = std::move(value);
        return json;
    }

    Result<Json> array(std::size_t depth) {
        if (depth == limits_.depth_max) return refuse("too many brackets inside each other");
        ++at_;
        Json::Array items;
        skip_space();
        if (take(']')) return of(std::move(items));
        for (;;) {
            CASC_TRY(Json item, value(depth + 1));
            items.push_back(std::move(item));
            skip_space();
            if (take(']')) return of(std::move(items));
            if (!take(',')) return refuse("a missing comma or bracket");
        }
    }

    Result<Json> object(std::size_t depth) {
        if (depth == limits_.depth_max) return refuse("too many brackets inside each other");
        ++at_;
        Json::Object members;
        skip_space();
        if (take('}')) return of(std::move(members));
        for (;;) {
            skip_space();
            if (peek() != '"') return refuse("a member without a name");
            CASC_TRY(std::string name, string());
            skip_space();
            if (!take(':')) return refuse("a missing colon");
            CASC_TRY(Json member, value(depth + 1));
            members.emplace_back(std::move(name), std::move(member));
            skip_space();
            if (take('}')) {
                if (has_name_twice(members)) return refuse("a name that is there twice");
                return of(std::move(members));
            }
            if (!take(',')) return refuse("a missing comma or brace");
        }
    }

    // By sorting: for a table of hashes a stranger could write names that are all in one place.
    static bool has_name_twice(const Json::Object& members) {
        std::vector<std::string_view> names;
        names.reserve(members.size());
        for (const Json::Member& member : members)
            names.emplace_back(member.first);
        std::ranges::sort(names);
        return std::ranges::adjacent_find(names) != names.end();
    }

    // ---- numbers ----

    std::size_t digits() noexcept {
        const std::size_t from = at_;
        while (peek() >= '0' && peek() <= '9')
            ++at_;
        return at_ - from;
    }
    Result<Json> number() {
        const std::size_t from = at_;
        const bool negative = take('-');
        const bool leading_zero = peek() == '0';
        const std::size_t whole_digits = digits();
        if (whole_digits == 0) return refuse("something that is no value");
        if (leading_zero && whole_digits > 1) return refuse("a number that begins with a zero");
        bool is_whole = !negative;
        if (take('.')) {
            is_whole = false;
            if (digits() == 0) return refuse("a number without digits behind its point");
        }
        if (take('e') || take('E')) {
            is_whole = false;
            if (!take('+')) static_cast<void>(take('-'));
            if (digits() == 0) return refuse("a number without an exponent");
        }
        const char* const begin = text_.data() + from;
        const char* const end = text_.data() + at_;
        if (std::uint64_t count = 0;
            is_whole && std::from_chars(begin, end, count).ec == std::errc{})
            return of(count);
        double real = 0;
        if (std::from_chars(begin, end, real).ec != std::errc{})
            return refuse("a number that is too large or too small");
        return of(real);
    }

    // ---- strings ----

    Result<std::string> string() {
        ++at_;
        std::string out;
        while (!take('"')) {
            if (at_ == text_.size()) return refuse("a string without an end");
            if (static_cast<unsigned char>(peek()) < 0x20)
                return refuse("a bare control character");
            if (take('\\')) {
                CASC_TRY_VOID(escape(out));
                continue;
            }
            const std::size_t length = utf8_length(text_.substr(at_, 4));
            if (length == 0) return refuse("bytes that are not UTF-8");
            out.append(text_.substr(at_, length));
            at_ += length;
        }
        return out;
    }
    Result<void> escape(std::string& out) {
        static constexpr std::string_view kNames = "\"\\/bfnrt";
        static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
        if (take('u')) return escaped_character(out);
        const auto name = at_ < text_.size() ? kNames.find(text_[at_]) : kNames.npos;
        if (name == kNames.npos) return refuse("an unknown escape");
        out.push_back(kMeanings[name]);
        ++at_;
        return {};
    }
    // One of the basic plane, or two halves of another.
    Result<void> escaped_character(std::string& out) {
        CASC_TRY(std::uint32_t code, four_digits());
        if (code >= 0xD800 && code < 0xDC00) {
            if (!take("\\u")) return refuse("half a character");
            CASC_TRY(const std::uint32_t low, four_digits());
            if (low < 0xDC00 || low > 0xDFFF) return refuse("half a character");
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC00 && code <= 0xDFFF) {
            return refuse("half a character");
        }
        append_utf8(out, code);
        return {};
    }
    Result<std::uint32_t> four_digits() {
        const std::string_view digits = text_.substr(at_, 4);
        std::uint32_t code = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
        if (digits.size() < 4 || read.ptr != digits.data() + 4)
            return refuse("an escape without four digits");
        at_ += 4;
        return code;
    }

    const std::string_view text_;
    const Json::Limits limits_;
    std::size_t at_ = 0;
    std::size_t values_ = 0;
};

Result<Json> Json::parse(std::string_view text, const Limits& limits) {
    return JsonParser(text, limits).document();
}

// ---- looking at it ------------------------------------------------------------------------------

std::optional<bool> Json::as_bool() const noexcept {
    const bool* const value = get<bool>();
    return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<std::uint64_t> Json::as_count() const noexcept {
    const std::uint64_t* const value = get<std::uint64_t>();
    return value == nullptr ? std::nullopt : std::optional(*value);
}

std::optional<double> Json::as_number() const noexcept {
    if (const double* const value = get<double>()) return *value;
    if (const auto count = as_count()) return static_cast<double>(*count);
    return std::nullopt;
}

const Json* Json::find(std::string_view name) const noexcept {
    const Object* const object = as_object();
    if (object == nullptr) return nullptr;
    const auto found = std::ranges::find(*object, name, &Member::first);
    return found == object->end() ? nullptr : &found->second;
}

}  // namespace casc::gpu
