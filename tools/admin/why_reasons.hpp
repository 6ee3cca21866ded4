#pragma once
// What somebody waits for: for scripts a word, for people a sentence.

#include "command_line.hpp"
#include "listing.hpp"

#include <string>
#include <string_view>

namespace casc::admin {

// In the order in which they matter.
class Reasons {
public:
    void add(std::string_view reason, std::string sentence) {
        listing_.add({json::value(reason), json::value(sentence)});
    }
    [[nodiscard]] bool empty() const noexcept { return listing_.rows.empty(); }
    void show(Output& out) const {
        if (out.format() != Format::table) return out.show(listing_);
        for (const auto& row : listing_.rows)
            out.write(std::string(row[1].get_string()) + "\n");
    }

private:
    Listing listing_{{{"reason", "REASON"}, {"sentence", "SENTENCE"}}, {}};
};

[[nodiscard]] Result<ExitCode> why_producer(Session& session, const std::string& name);

}  // namespace casc::admin
