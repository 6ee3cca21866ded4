#include "json_text.hpp"

#include <cmath>
#include <utility>

namespace casc::admin {

namespace {

void print(std::string& out, const json::value& value, std::size_t depth);

void new_line(std::string& out, std::size_t depth) {
    out.append("\n").append(depth * 2, ' ');
}

void print(std::string& out, const json::object& object, std::size_t depth) {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : object) {
        if (!std::exchange(first, false)) out += ',';
        new_line(out, depth + 1);
        out += json::serialize(json::string(key)) + ": ";
        print(out, value, depth + 1);
    }
    new_line(out, depth);
    out += '}';
}

void print(std::string& out, const json::array& array, std::size_t depth) {
    out += '[';
    bool first = true;
    for (const json::value& value : array) {
        if (!std::exchange(first, false)) out += ',';
        new_line(out, depth + 1);
        print(out, value, depth + 1);
    }
    new_line(out, depth);
    out += ']';
}

void print(std::string& out, const json::value& value, std::size_t depth) {
    if (value.is_object() && !value.get_object().empty())
        print(out, value.get_object(), depth);
    else if (value.is_array() && !value.get_array().empty())
        print(out, value.get_array(), depth);
    else
        out += compact_json(value);
}

}  // namespace

std::string compact_json(const json::value& value) {
    return json::serialize(value);
}

json::value json_number(double number) {
    if (!std::isfinite(number)) return nullptr;
    if (number == std::floor(number) && std::abs(number) < 9e15)
        return static_cast<std::int64_t>(number);
    return number;
}

std::string pretty_json(const json::value& value) {
    std::string out;
    print(out, value, 0);
    return out;
}

}  // namespace casc::admin
