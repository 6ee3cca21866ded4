#include "topic_patterns.hpp"

#include <casc/types/subject.hpp>

#include <algorithm>

namespace casc::admin {
namespace {

Result<void> add_matching(Session& session, const std::string& pattern,
                          std::vector<std::string>& into) {
    const std::size_t before = into.size();
    fb::ListTopicsT request;
    request.prefix = pattern.substr(0, pattern.find_first_of("*>"));
    for (bool more = true; more;) {
        CASC_TRY(const auto reply, session.call(request));
        for (const auto& topic : reply.topics)
            if (subject_matches(pattern, topic->name)) into.push_back(topic->name);
        more = reply.more && !reply.topics.empty();
        if (more) request.after = reply.topics.back()->name;
    }
    if (into.size() == before)
        return Error(ErrorCode::unknown_topic, "no topic matches '" + pattern + "'");
    return {};
}

}  // namespace

Result<std::vector<std::string>> matching_topics(Session& session,
                                                 const std::vector<std::string>& wanted) {
    std::vector<std::string> all;
    for (const std::string& topic : wanted) {
        if (has_wildcard(topic)) {
            CASC_TRY_VOID(add_matching(session, topic, all));
        } else {
            all.push_back(topic);
        }
    }
    std::vector<std::string> once;
    for (std::string& topic : all)
        if (std::find(once.begin(), once.end(), topic) == once.end())
            once.push_back(std::move(topic));
    return once;
}

}  // namespace casc::admin
