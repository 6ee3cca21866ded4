#include "queue_key_order.hpp"

#include <casc/types/assert.hpp>

#include <string_view>

namespace casc::broker {

KeyHash hash_of(std::optional<std::span<const std::byte>> key) noexcept {
    if (!key) return kNoKey;
    const std::string_view text(reinterpret_cast<const char*>(key->data()), key->size());
    const KeyHash hash = std::hash<std::string_view>{}(text);
    return hash == kNoKey ? kNoKey + 1 : hash;
}

bool QueueKeyOrder::enter(KeyHash key, QueuePlace event) {
    CASC_ASSERT(key != kNoKey);
    const auto [standing, fresh] = standing_.emplace(event, Standing{key, {}, {}});
    CASC_ASSERT(fresh, event.offset.value());
    const auto [line, first] = lines_.emplace(key, Line{event, event});
    if (first) return true;
    standing->second.before = line->second.last;
    standing_.at(line->second.last).behind = event;
    line->second.last = event;
    return false;
}

std::optional<QueuePlace> QueueKeyOrder::leave(QueuePlace event) {
    const auto found = standing_.find(event);
    if (found == standing_.end()) return std::nullopt;
    const Standing leaving = found->second;
    standing_.erase(found);
    if (leaving.before) standing_.at(*leaving.before).behind = leaving.behind;
    if (leaving.behind) standing_.at(*leaving.behind).before = leaving.before;
    const auto line = lines_.find(leaving.key);
    if (line->second.last == event && leaving.before) line->second.last = *leaving.before;
    if (leaving.before) return std::nullopt;  // it was waiting itself
    if (!leaving.behind) {
        lines_.erase(line);
        return std::nullopt;
    }
    line->second.first = *leaving.behind;
    return leaving.behind;
}

std::vector<QueuePlace> QueueKeyOrder::of_log(LogId log) const {
    std::vector<QueuePlace> places;
    for (const auto& [place, standing] : standing_)
        if (place.log == log) places.push_back(place);
    return places;
}

}  // namespace casc::broker
