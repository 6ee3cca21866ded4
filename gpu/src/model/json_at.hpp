#pragma once
// gpu/src/model/json_at.hpp: a value of a JSON file together with where it is, so that whoever
// refuses it says so: "tokenizer.json: model.vocab is missing".

#include "model/json.hpp"

#include <casc/types/result.hpp>

#include <initializer_list>
#include <string>
#include <string_view>

namespace casc::gpu {

// Thread:   any.
// Lifetime: borrows the value.
class JsonAt {
public:
    JsonAt(std::string_view file, const Json& root) : file_(file), value_(&root) {}

    // The member of that name; absent, when there is none.
    [[nodiscard]] JsonAt operator[](std::string_view name) const;
    // Not written, or null.
    [[nodiscard]] bool is_absent() const noexcept { return value_ == nullptr || value_->is_null(); }

    // It must not be absent.
    [[nodiscard]] const Json& value() const noexcept { return *value_; }

    // Each fails with: model_unusable (it is missing or of another kind).
    [[nodiscard]] Result<std::string_view> text() const;
    [[nodiscard]] Result<std::vector<JsonAt>> items() const;
    [[nodiscard]] Result<const Json::Object*> members() const;
    [[nodiscard]] Result<std::uint64_t> count(std::uint64_t most) const;
    // What is absent is `otherwise`.
    [[nodiscard]] Result<bool> flag(bool otherwise) const;
    // An object, of no other members than these: one that is not known may change everything.
    [[nodiscard]] Result<void> check_members(std::initializer_list<std::string_view> known) const;

    // "<file>: <where> <why>"
    [[nodiscard]] Error refuse(std::string_view why) const;
    // The same of a text that was not expected: "is 'Unigram'; BPE is supported".
    [[nodiscard]] Error refuse_text(std::string_view supported) const;

private:
    JsonAt(const JsonAt& parent, const Json* value, std::string_view step)
        : file_(parent.file_), path_(parent.path_ + std::string(step)), value_(value) {}

    std::string_view file_;
    std::string path_;
    const Json* value_;
};

}  // namespace casc::gpu
