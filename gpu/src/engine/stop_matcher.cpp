#include <casc/gpu/stop_matcher.hpp>

#include <algorithm>
#include <utility>

namespace casc::gpu {

StopMatcher::Pattern::Pattern(const std::string& stop) : text(stop), border(stop.size(), 0) {
    std::size_t length = 0;
    for (std::size_t at = 1; at < text.size(); ++at) {
        while (length > 0 && text[at] != text[length])
            length = border[length - 1];
        if (text[at] == text[length]) ++length;
        border[at] = static_cast<std::uint16_t>(length);
    }
}

bool StopMatcher::Pattern::next(char byte) noexcept {
    while (seen > 0 && text[seen] != byte)
        seen = border[seen - 1];
    if (text[seen] == byte) ++seen;
    return seen == text.size();
}

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
    patterns_.reserve(stops.size());
    for (const std::string& stop : stops)
        patterns_.emplace_back(stop);
}

std::string StopMatcher::push(std::string_view piece) {
    if (matched_) return {};
    if (patterns_.empty()) return std::string(piece);
    held_ += piece;
    std::size_t seen_most = 0;
    for (std::size_t at = held_.size() - piece.size(); at < held_.size(); ++at) {
        std::size_t stop_bytes = 0;
        seen_most = 0;
        for (Pattern& pattern : patterns_) {
            if (pattern.next(held_[at])) stop_bytes = std::max(stop_bytes, pattern.text.size());
            seen_most = std::max(seen_most, pattern.seen);
        }
        if (stop_bytes == 0) continue;
        matched_ = true;
        held_.resize(at + 1 - stop_bytes);
        return std::exchange(held_, {});
    }
    if (piece.empty()) return {};
    std::string certain = held_.substr(0, held_.size() - seen_most);
    held_.erase(0, certain.size());
    return certain;
}

std::string StopMatcher::finish() {
    return std::exchange(held_, {});
}

}  // namespace casc::gpu
