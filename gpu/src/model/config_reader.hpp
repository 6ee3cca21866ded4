#pragma once
// gpu/src/model/config_reader.hpp: the keys of a JSON object that says what a model is.

#include "model/json.hpp"

#include <casc/types/result.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace casc::gpu {

struct CountRange {
    std::size_t least;
    std::size_t most;
};

// Looks keys up, and remembers the first trouble, so that whoever reads many keys asks once.
// Thread: one at a time. Lifetime: borrows the object.
class ConfigReader {
public:
    // `place`: what the names of keys are behind in an error, "config.json: rope_scaling."
    ConfigReader(const Json& object, std::string place)
        : object_(object), place_(std::move(place)) {}

    // Null differs from what is not written: Hugging Face's defaults are for the latter alone.
    [[nodiscard]] bool is_written(std::string_view key) const noexcept {
        return object_.find(key) != nullptr;
    }
    // Null inside for both.
    [[nodiscard]] const Json* find(std::string_view key) const noexcept {
        const Json* const value = object_.find(key);
        return value == nullptr || value->is_null() ? nullptr : value;
    }
    std::size_t count(std::string_view key, CountRange range,
                      std::optional<std::size_t> otherwise = {}) {
        const Json* const value = find(key);
        if (value == nullptr && otherwise) return *otherwise;
        const auto count = value == nullptr ? std::nullopt : value->as_count();
        if (count && *count >= range.least && *count <= range.most) return *count;
        trouble(key, value == nullptr
                         ? "is missing"
                         : "must be a whole number from " + std::to_string(range.least) + " to " +
                               std::to_string(range.most));
        return range.least;  // so that it can be divided by, until done() says what is wrong
    }
    // One whole number up to `most`, or a list of such.
    std::vector<std::uint32_t> tokens(std::string_view key, std::size_t most) {
        std::vector<std::uint32_t> tokens;
        const Json* const value = find(key);
        if (value == nullptr) return tokens;
        const Json::Array* const list = value->as_array();
        for (const Json& item : list == nullptr ? std::span(value, 1) : std::span(*list)) {
            const auto token = item.as_count();
            if (!token || *token > most) {
                trouble(key, "must be tokens of the vocabulary");
                return {};
            }
            tokens.push_back(static_cast<std::uint32_t>(*token));
        }
        return tokens;
    }
    double positive(std::string_view key, std::optional<double> otherwise = {}) {
        const Json* const value = find(key);
        if (value == nullptr && otherwise) return *otherwise;
        const auto number = value == nullptr ? std::nullopt : value->as_number();
        if (number && *number > 0 && std::isfinite(*number)) return *number;
        trouble(key, value == nullptr ? "is missing" : "must be a number above 0");
        return 1;
    }
    bool flag(std::string_view key, bool otherwise) {
        const Json* const value = find(key);
        if (value == nullptr) return otherwise;
        if (!value->as_bool()) trouble(key, "must be true or false");
        return value->as_bool().value_or(otherwise);
    }
    std::string text(std::string_view key, std::string_view otherwise) {
        const Json* const value = find(key);
        if (value == nullptr) return std::string(otherwise);
        if (value->as_text() == nullptr) trouble(key, "must be a text");
        return value->as_text() == nullptr ? std::string(otherwise) : *value->as_text();
    }
    std::vector<double> factors(std::string_view key, std::size_t wanted) {
        const Json* const value = find(key);
        const Json::Array* const items = value == nullptr ? nullptr : value->as_array();
        std::vector<double> factors;
        if (items != nullptr)
            for (const Json& item : *items)
                factors.push_back(item.as_number().value_or(0));
        const bool are_positive = std::ranges::all_of(
            factors, [](double factor) { return factor > 0 && std::isfinite(factor); });
        if (factors.size() != wanted || !are_positive)
            trouble(key, "must be a list of " + std::to_string(wanted) + " numbers above 0");
        return factors;
    }
    void trouble(std::string_view key, const std::string& what) {
        if (!trouble_)
            trouble_ = Error(ErrorCode::model_unusable, place_ + std::string(key) + ' ' + what);
    }
    [[nodiscard]] Result<void> done() const {
        if (trouble_) return *trouble_;
        return {};
    }

private:
    const Json& object_;
    const std::string place_;
    std::optional<Error> trouble_;
};

}  // namespace casc::gpu
