#pragma once
// casc/gpu/stop_matcher.hpp: ends a text before the first of some strings, and knows how much of a
// text that grows cannot be the beginning of one.
//
//   StopMatcher matcher({"\nUser:"});
//   matcher.push("Paris.\nUs")   // "Paris."; the rest may be a beginning
//   matcher.push("ually")        // "\nUsually"; it was none
//
// The stop string that is complete first ends the text; of several that end with the same byte the
// longest. How the text is cut into pieces makes no difference. By Knuth, Morris and Pratt ("Fast
// pattern matching in strings", 1977): a byte costs a step per stop string, and on average no more
// than one step back.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casc::gpu {

// Thread: one at a time.
class StopMatcher {
public:
    // None may be empty; each shorter than 64 KiB.
    explicit StopMatcher(const std::vector<std::string>& stops);

    // The text so far that is certain and was not returned before. Nothing after a match.
    [[nodiscard]] std::string push(std::string_view piece);
    // What was held back, when nothing more comes. Nothing after a match.
    [[nodiscard]] std::string finish();
    // Whether one was found. All of the text before it has been returned.
    [[nodiscard]] bool matched() const noexcept { return matched_; }

private:
    struct Pattern {
        std::string text;
        // How many bytes at the end of the first n + 1 are also at its beginning, at most n.
        std::vector<std::uint16_t> border;
        std::size_t seen = 0;  // so many bytes at the end of the text are its beginning

        explicit Pattern(const std::string& stop);
        // True: it is complete.
        bool next(char byte) noexcept;
    };

    std::vector<Pattern> patterns_;
    std::string held_;  // the end of the text that is the beginning of a stop string
    bool matched_ = false;
};

}  // namespace casc::gpu
