#include "suggestion.hpp"

#include <algorithm>

namespace casc::admin {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    // Rows of the usual table; the one before the last is for swapped neighbours.
    std::vector<std::size_t> before;
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j)
        last[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = std::min(row[j], before[j - 2] + 1);
        }
        before = last;
        last = row;
    }
    return last[b.size()];
}

std::string nearest(std::string_view typed, const std::vector<std::string>& known) {
    std::string best;
    // A third of the word may be wrong, one letter in any case.
    std::size_t best_distance = std::max<std::size_t>(typed.size() / 3, 1) + 1;
    for (const std::string& word : known) {
        const std::size_t distance = edit_distance(typed, word);
        if (distance < best_distance) {
            best = word;
            best_distance = distance;
        }
    }
    if (!best.empty() || typed.empty()) return best;
    // "lis" for "list", "gen" for "generate".
    for (const std::string& word : known)
        if (typed.size() >= 2 && word.starts_with(typed)) return word;
    return best;
}

}  // namespace casc::admin
