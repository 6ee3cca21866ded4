#pragma once
// gpu/src/model/json.hpp: JSON (RFC 8259) from files of a model, read strictly. Of our own, because
// this folder builds on GPU machines on which nothing can be installed.

#include <casc/types/result.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace casc::gpu {

// A value and all that is in it. Thread: any, while nobody changes it.
class Json {
public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;  // in the order of the text, each name once

    // What a text may be like at most, so that a small file does not become a large tree.
    struct Limits {
        std::size_t depth_max = 32;
        std::size_t values_max = std::size_t{1} << 20;
    };

    // Fails with: model_unusable, with the place in the text.
    [[nodiscard]] static Result<Json> parse(std::string_view text, const Limits& limits);
    [[nodiscard]] static Result<Json> parse(std::string_view text) { return parse(text, Limits{}); }

    // Nothing, or null, when it is of another kind.
    [[nodiscard]] bool is_null() const noexcept {
        return std::holds_alternative<std::monostate>(value_);
    }
    [[nodiscard]] std::optional<bool> as_bool() const noexcept;
    // A whole number that was written as one (no point, no exponent) and fits.
    [[nodiscard]] std::optional<std::uint64_t> as_count() const noexcept;
    [[nodiscard]] std::optional<double> as_number() const noexcept;
    [[nodiscard]] const std::string* as_text() const noexcept { return get<std::string>(); }
    [[nodiscard]] const Array* as_array() const noexcept { return get<Array>(); }
    [[nodiscard]] const Object* as_object() const noexcept { return get<Object>(); }
    // The member of an object; null when there is none of that name, or it is no object.
    [[nodiscard]] const Json* find(std::string_view name) const noexcept;

private:
    friend class JsonParser;
    template <class T>
    [[nodiscard]] const T* get() const noexcept {
        return std::get_if<T>(&value_);
    }

    std::variant<std::monostate, bool, std::uint64_t, double, std::string, Array, Object> value_;
};

}  // namespace casc::gpu
