#include "rounds.hpp"

#include "child_process.hpp"
#include "progress.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <utility>

namespace casc::bench::compare {
namespace {

// A virtual machine gives free memory back to its host, and the first touch of such a page costs
// more than all that is done with it. Touched here, it is anybody's next, whoever's turn it is.
void touch_memory(std::chrono::milliseconds duration) {
    constexpr double kBytesPerSecond = 400e6;  // that the fastest of them takes
    constexpr double kBytesMax = 1u << 30;
    const double seconds = std::chrono::duration<double>(duration).count();
    const auto bytes = static_cast<std::size_t>(std::min(kBytesMax, kBytesPerSecond * seconds));
    void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory != MAP_FAILED) ::munmap(memory, bytes);
}

std::string remedy_for(const Contestant& contestant) {
    return contestant.package().empty()
               ? ""
               : "apt-get install " + contestant.package() + " (or tools/install-deps.sh --peers)";
}

class Rounds {
public:
    Rounds(const std::vector<std::unique_ptr<Contestant>>& contestants,
           const std::vector<Case>& cases, std::uint32_t round_count,
           const std::filesystem::path& folder)
        : contestants_(contestants),
          folder_(folder),
          is_out_(contestants.size(), false),
          progress_("compare") {
        comparison_.round_count = round_count;
        for (const Case& asked : cases)
            comparison_.cases.push_back({asked, {}, {}});
    }

    Comparison run() {
        const std::size_t count = contestants_.size();
        const double all =
            static_cast<double>(comparison_.round_count * comparison_.cases.size() * count);
        double done = 0;
        for (std::uint32_t round = 0; round < comparison_.round_count; ++round) {
            for (CaseResult& result : comparison_.cases) {
                for (std::size_t turn = 0; turn < count; ++turn, ++done) {
                    const std::size_t who = (turn + round) % count;
                    progress_.show(done / all,
                                   contestants_[who]->name() + ": " + result.asked.name());
                    take_turn(who, result, round);
                }
            }
        }
        finish();
        return std::move(comparison_);
    }

private:
    void take_turn(std::size_t who, CaseResult& result, std::uint32_t round) {
        Contestant& contestant = *contestants_[who];
        const auto terms = contestant.terms(result.asked);
        if (is_out_[who] || !terms) return;
        const auto folder = folder_ / contestant.name();
        std::filesystem::create_directory(folder);
        touch_memory(result.asked.duration);
        if (start(who, folder, result.asked)) measure(contestant, *terms, result, round);
        contestant.stop();
        end_orphans();
        std::filesystem::remove_all(folder);
    }

    bool start(std::size_t who, const std::filesystem::path& folder, const Case& asked) {
        Contestant& contestant = *contestants_[who];
        try {
            contestant.start(folder, asked);
            return true;
        } catch (const NotInstalled& missing) {
            skip(who, missing.what(), remedy_for(contestant));
        } catch (const std::exception& error) {
            skip(who, std::string("it does not start: ") + error.what(), "");
        }
        return false;
    }

    void skip(std::size_t who, std::string reason, std::string remedy) {
        is_out_[who] = true;
        comparison_.skipped.push_back(
            {contestants_[who]->name(), std::move(reason), std::move(remedy)});
    }

    void measure(Contestant& contestant, const Terms& terms, CaseResult& result,
                 std::uint32_t round) {
        Entry& entry = entry_of(contestant, terms, result);
        try {
            entry.rounds[round] = contestant.run(result.asked);
        } catch (const std::exception& error) {
            if (entry.trouble.empty()) entry.trouble = error.what();
        }
    }

    Entry& entry_of(const Contestant& contestant, const Terms& terms, CaseResult& result) {
        const auto found = std::ranges::find(result.entries, contestant.name(), &Entry::contestant);
        if (found != result.entries.end()) return *found;
        result.entries.push_back({contestant.name(),
                                  terms,
                                  std::vector<std::optional<Sample>>(comparison_.round_count),
                                  {}});
        return result.entries.back();
    }

    // In the order of the contestants, whoever had the first turn.
    void finish() {
        const auto place = [&](const std::string& name) {
            return std::ranges::find_if(
                       contestants_,
                       [&](const auto& contestant) { return contestant->name() == name; }) -
                   contestants_.begin();
        };
        for (CaseResult& result : comparison_.cases) {
            std::ranges::sort(result.entries, {},
                              [&](const Entry& entry) { return place(entry.contestant); });
            for (std::size_t who = 0; who < contestants_.size(); ++who) {
                if (!is_out_[who] && !contestants_[who]->is_second_line() &&
                    !contestants_[who]->terms(result.asked))
                    result.absent.push_back(contestants_[who]->name());
            }
        }
        for (std::size_t who = 0; who < contestants_.size(); ++who) {
            if (!is_out_[who] && !contestants_[who]->is_second_line() &&
                !contestants_[who]->version().empty())
                comparison_.participants.push_back(
                    {contestants_[who]->name(), contestants_[who]->version()});
        }
    }

    const std::vector<std::unique_ptr<Contestant>>& contestants_;
    const std::filesystem::path& folder_;
    std::vector<bool> is_out_;
    Progress progress_;
    Comparison comparison_;
};

}  // namespace

Comparison run_rounds(const std::vector<std::unique_ptr<Contestant>>& contestants,
                      const std::vector<Case>& cases, std::uint32_t round_count,
                      const std::filesystem::path& folder) {
    adopt_orphans();
    return Rounds(contestants, cases, round_count, folder).run();
}

}  // namespace casc::bench::compare
