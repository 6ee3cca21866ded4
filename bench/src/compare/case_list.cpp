#include "case_list.hpp"

#include <algorithm>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kMany = 16;  // producers or consumers

// What makes cases of one question at one size.
struct Shape {
    std::uint32_t producer_count = 1;
    std::uint32_t width = 1;
};

bool is_wanted(const CompareOptions& options, Question question) {
    const auto& names = options.workloads;
    if (!names.empty() && std::ranges::find(names, to_string(question)) == names.end())
        return false;
    const bool is_for_all_day = question == Question::consume_log || question == Question::queue ||
                                question == Question::e2e_fsync;
    if (names.empty() && options.is_brief && is_for_all_day) return false;
    const bool has_synced_sibling = question == Question::produce || question == Question::e2e;
    return !options.syncs || !has_synced_sibling;
}

std::vector<std::size_t> payload_sizes(Question question, bool is_full) {
    switch (question) {
        case Question::e2e:
        case Question::e2e_fsync:
            return {1024};
        case Question::request:
            return is_full ? std::vector<std::size_t>{100, 1024} : std::vector<std::size_t>{100};
        case Question::volatile_:
            return is_full ? std::vector<std::size_t>{100, 1024, 64 * 1024}
                           : std::vector<std::size_t>{100};
        case Question::produce:
            return is_full ? std::vector<std::size_t>{100, 1024, 16 * 1024, 64 * 1024}
                           : std::vector<std::size_t>{100, 1024};
        default:
            return is_full ? std::vector<std::size_t>{100, 1024, 16 * 1024}
                           : std::vector<std::size_t>{100, 1024};
    }
}

std::vector<Shape> shapes(Question question, std::size_t payload_bytes,
                          const CompareOptions& options) {
    const bool is_full = options.is_full;
    switch (question) {
        case Question::request:
            return {{1, 1}, {1, 64}};
        case Question::volatile_:
            // Large events to or from many measure how fast a machine copies.
            if (payload_bytes > 1024) return {{1, 1}};
            if (options.is_brief) return {{1, 1}, {1, kMany}};
            return {{1, 1}, {1, kMany}, {kMany, 1}};
        case Question::produce:
            // At the second size sixteen would show the same for minutes more.
            if (options.is_brief || (payload_bytes > 100 && !is_full)) return {{1, 1}};
            return {{1, 1}, {kMany, 1}};
        default:
            return {{1, 1}};
    }
}

milliseconds duration_of(const CompareOptions& options) {
    if (options.duration.count() > 0)
        return std::chrono::duration_cast<milliseconds>(options.duration);
    return milliseconds(options.is_full ? 10'000 : options.is_brief ? 2'000 : 3'000);
}

}  // namespace

std::vector<Case> cases_of(const CompareOptions& options) {
    std::vector<Case> cases;
    for (const Question question : kQuestions) {
        if (!is_wanted(options, question)) continue;
        for (const std::size_t bytes : payload_sizes(question, options.is_full)) {
            for (const Shape& shape : shapes(question, bytes, options))
                cases.push_back({.question = question,
                                 .payload_bytes = bytes,
                                 .width = shape.width,
                                 .duration = duration_of(options),
                                 .producer_count = shape.producer_count,
                                 .idle_connection_count = options.flips.idle_connection_count});
        }
    }
    if (cases.empty())
        throw std::runtime_error(
            "nothing is left to compare: --sync leaves out produce and e2e, whose peers do not "
            "sync before they acknowledge; ask for produce-fsync or e2e-fsync");
    return cases;
}

}  // namespace casc::bench::compare
