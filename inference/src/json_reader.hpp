#pragma once
// inference/src/json_reader.hpp: members of a JSON object, each of its kind or refused with its
// name.

#include <casc/types/result.hpp>

#include <boost/json/object.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::inference {

// Thread: one at a time. Lifetime: refers to the object. A member that is null counts as none.
class JsonReader {
public:
    // `path` stands before the names of members in errors: "params.".
    JsonReader(const boost::json::object& object, std::string path)
        : object_(object), path_(std::move(path)) {}

    // Each: nothing when there is no such member. Fail with: invalid_request.
    [[nodiscard]] Result<std::optional<std::string>> text(std::string_view name) const;
    [[nodiscard]] Result<std::optional<bool>> flag(std::string_view name) const;
    // A whole number.
    [[nodiscard]] Result<std::optional<std::uint64_t>> count(
        std::string_view name, std::uint64_t max = std::numeric_limits<std::uint64_t>::max()) const;
    [[nodiscard]] Result<std::optional<double>> number(std::string_view name) const;
    // One text, or a list of them.
    [[nodiscard]] Result<std::vector<std::string>> texts(std::string_view name) const;
    [[nodiscard]] Result<const boost::json::object*> object(std::string_view name) const;

    // Fails with: invalid_request, when there is a member of another name.
    [[nodiscard]] Result<void> has_only(std::initializer_list<std::string_view> names) const;

private:
    [[nodiscard]] const boost::json::value* find(std::string_view name) const;
    [[nodiscard]] Error wrong(std::string_view name, std::string_view what) const;

    const boost::json::object& object_;
    const std::string path_;
};

}  // namespace casc::inference
