#include "model/json_at.hpp"

#include <casc/types/cut_text.hpp>

#include <algorithm>

namespace casc::gpu {
namespace {

constexpr std::size_t kShownBytesMax = 200;  // of a text or a name, in an error

}  // namespace

JsonAt JsonAt::operator[](std::string_view name) const {
    const Json* const member = value_ == nullptr ? nullptr : value_->find(name);
    const std::string step(cut_text(name, kShownBytesMax));
    return {*this, member, path_.empty() ? step : "." + step};
}

Result<std::string_view> JsonAt::text() const {
    const std::string* const text = value_ == nullptr ? nullptr : value_->as_text();
    if (text == nullptr) return refuse(is_absent() ? "is missing" : "must be a text");
    return std::string_view(*text);
}

Result<std::vector<JsonAt>> JsonAt::items() const {
    const Json::Array* const array = value_ == nullptr ? nullptr : value_->as_array();
    if (array == nullptr) return refuse(is_absent() ? "is missing" : "must be a list");
    std::vector<JsonAt> items;
    for (std::size_t i = 0; i < array->size(); ++i)
        items.push_back({*this, &(*array)[i], "[" + std::to_string(i) + "]"});
    return items;
}

Result<const Json::Object*> JsonAt::members() const {
    const Json::Object* const object = value_ == nullptr ? nullptr : value_->as_object();
    if (object == nullptr) return refuse(is_absent() ? "is missing" : "must be an object");
    return object;
}

Result<std::uint64_t> JsonAt::count(std::uint64_t most) const {
    const auto count = value_ == nullptr ? std::nullopt : value_->as_count();
    if (!count || *count > most)
        return refuse("must be a whole number from 0 to " + std::to_string(most));
    return *count;
}

Result<bool> JsonAt::flag(bool otherwise) const {
    if (is_absent()) return otherwise;
    const auto flag = value_->as_bool();
    if (!flag) return refuse("must be true or false");
    return *flag;
}

Result<void> JsonAt::check_members(std::initializer_list<std::string_view> known) const {
    CASC_TRY(const Json::Object* const object, members());
    for (const Json::Member& member : *object)
        if (std::ranges::find(known, member.first) == known.end())
            return (*this)[member.first].refuse("is not known");
    return {};
}

Error JsonAt::refuse(std::string_view why) const {
    return Error(
        ErrorCode::model_unusable,
        std::string(file_) + ": " + (path_.empty() ? "the file" : path_) + ' ' + std::string(why));
}

Error JsonAt::refuse_text(std::string_view supported) const {
    const auto is = text();
    if (!is) return is.error();
    return refuse("is '" + std::string(cut_text(*is, kShownBytesMax)) + "'; " +
                  std::string(supported));
}

}  // namespace casc::gpu
