#include "store_model.hpp"

#include <algorithm>
#include <sstream>

namespace casc::sim {

std::uint64_t ModelLog::events_end() const {
    if (batches.empty()) return start;
    const auto& [base, last] = *batches.rbegin();
    return std::max(start, base + last.events);
}

bool Observed::Log::fits(const ModelLog& expected) const {
    return start == expected.start && end == expected.end &&
           (!events_end || *events_end == expected.events_end());
}

void ModelState::apply(const Operation& operation) {
    switch (operation.kind) {
        case Operation::Kind::append: {
            ModelLog& log = logs[operation.log];
            log.batches[operation.number] = operation.batch;
            log.end = operation.number + operation.batch.events;
            break;
        }
        case Operation::Kind::trim:
            logs[operation.log].start = operation.number;
            break;
        case Operation::Kind::reserve: {
            ModelLog& log = logs[operation.log];
            log.ceiling = std::max(log.ceiling, operation.number);
            break;
        }
        case Operation::Kind::erase_log:
            logs.erase(operation.log);
            break;
        case Operation::Kind::put:
            rows[operation.key] = operation.value;
            break;
        case Operation::Kind::erase:
            rows.erase(operation.key);
            break;
    }
}

void ModelState::restart(Ending ending) {
    for (auto& [id, log] : logs) {
        if (ending == Ending::crash) log.end = std::max(log.end, log.ceiling);
        log.ceiling = 0;
    }
}

namespace {

std::string model_name_of(LogId log) {
    return "log " + std::to_string(log.topic().value()) + "/" + std::string(to_string(log.lane()));
}

std::string range_of(std::uint64_t start, std::uint64_t events_end, std::uint64_t end) {
    return "[" + std::to_string(start) + ", " + std::to_string(events_end) + ", " +
           std::to_string(end) + ")";
}

}  // namespace

std::string difference(const ModelState& expected, const Observed& found) {
    std::ostringstream out;
    for (const auto& [id, log] : expected.logs) {
        const auto at = found.logs.find(id);
        if (at == found.logs.end())
            out << model_name_of(id) << " is not there; ";
        else if (!at->second.fits(log))
            out << model_name_of(id) << " is "
                << range_of(at->second.start, at->second.events_end.value_or(at->second.end),
                            at->second.end)
                << " and not " << range_of(log.start, log.events_end(), log.end) << "; ";
    }
    for (const auto& [id, log] : found.logs)
        if (!expected.logs.contains(id)) out << model_name_of(id) << " should not be there; ";
    for (const auto& [key, value] : expected.rows) {
        const auto at = found.rows.find(key);
        if (at == found.rows.end())
            out << "row " << key << " is not there; ";
        else if (at->second != value)
            out << "row " << key << " is " << at->second << " and not " << value << "; ";
    }
    for (const auto& [key, value] : found.rows)
        if (!expected.rows.contains(key)) out << "row " << key << " should not be there; ";
    return std::move(out).str();
}

void StoreModel::record(Operation operation) {
    live_.apply(operation);
    since_.push_back(std::move(operation));
}

std::optional<std::string> StoreModel::adopt(const Observed& found,
                                             const std::vector<Ending>& endings) {
    ModelState state = known_;
    std::optional<ModelState> match;
    std::string nearest = "nothing";
    const auto compare = [&](JournalSequence at) {
        for (const Ending ending : endings) {
            ModelState restarted = state;
            restarted.restart(ending);
            const std::string differs = difference(restarted, found);
            if (differs.empty()) {
                match = std::move(restarted);  // the newest: later records may have changed nothing
                                               // that can be seen
                return;
            }
            if (nearest == "nothing")
                nearest = "at entry " + std::to_string(at.value()) + ": " + differs;
        }
    };
    std::size_t next = 0;
    while (next < since_.size() && since_[next].sequence <= durable_)
        state.apply(since_[next++]);
    compare(durable_);
    while (next < since_.size()) {
        const JournalSequence entry = since_[next].sequence;
        while (next < since_.size() && since_[next].sequence == entry)
            state.apply(since_[next++]);
        compare(entry);
    }
    if (!match)
        return "the store is as after no entry from the newest durable one on; the nearest, " +
               nearest;
    known_ = std::move(*match);
    live_ = known_;
    since_.clear();
    durable_ = {};
    return std::nullopt;
}

}  // namespace casc::sim
