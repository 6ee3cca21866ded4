#pragma once
// The topics that a member of a group asked for: names, of topics that may come later, and patterns
// of them.

#include "subject_pattern.hpp"

#include <set>
#include <string>
#include <vector>

namespace casc::broker {

// Thread: any (a value).
class WantedTopics {
public:
    // Fails with: invalid_request, invalid_pattern.
    [[nodiscard]] static Result<WantedTopics> parse(const std::vector<std::string>& topics) {
        WantedTopics wanted;
        for (const std::string& topic : topics) {
            CASC_TRY(SubjectPattern pattern, SubjectPattern::parse(topic));
            if (pattern.is_name()) {
                wanted.names_.insert(topic);
            } else {
                wanted.patterns_.push_back(std::move(pattern));
            }
        }
        return wanted;
    }

    [[nodiscard]] bool has(std::string_view name) const {
        if (names_.contains(name)) return true;
        for (const SubjectPattern& pattern : patterns_)
            if (pattern.matches(name)) return true;
        return false;
    }
    // Visits each topic of `topics` that is wanted; those that are wanted twice may come twice.
    template <class Topics, class Visit>
    void for_each(const Topics& topics, Visit&& visit) const {
        for (const std::string& name : names_)
            if (const auto* topic = topics.find(name)) visit(*topic);
        for (const SubjectPattern& pattern : patterns_)
            topics.for_each(pattern.prefix(), {}, [&](const auto& topic) {
                if (pattern.matches(topic.name)) visit(topic);
                return true;
            });
    }

    [[nodiscard]] const std::vector<SubjectPattern>& patterns() const noexcept { return patterns_; }

private:
    std::set<std::string, std::less<>> names_;
    std::vector<SubjectPattern> patterns_;
};

}  // namespace casc::broker
