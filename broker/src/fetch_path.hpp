#pragma once
// Reading by request: fetch with a minimum and a maximum wait, and the offsets to begin at.

#include "core.hpp"

#include <boost/asio/steady_timer.hpp>

#include <compare>
#include <map>
#include <unordered_map>

namespace casc::broker {

class FetchPath;

struct FetchKey {
    std::uint64_t session;
    std::uint64_t number;
    friend auto operator<=>(const FetchKey&, const FetchKey&) = default;
};

// One fetch that is not answered yet. Thread: owning shard. Lifetime: owned by FetchPath.
class FetchOperation final : public LogWatcher {
public:
    FetchOperation(Core& core, FetchPath& path, FetchKey key, const wire::fb::FetchT& request,
                   const Responder& responder);
    ~FetchOperation() override;
    FetchOperation(const FetchOperation&) = delete;
    FetchOperation& operator=(const FetchOperation&) = delete;

    // Reads what is there; answers when it is enough or time is up.
    void attempt();
    // As if the wait were over; answers at the next attempt, which it asks for.
    void expire();

    void on_visible(LogId log, Offset visible_end) override;
    void on_removed(LogId log) override;

private:
    struct Source {
        wire::fb::FetchSourceT asked;
        const Topic* topic = nullptr;
        LogId log;
        Offset next;  // behind what was taken
        ErrorCode error = ErrorCode::ok;
        std::vector<storage::BatchRef> batches;
        std::size_t bytes = 0;
        bool watching = false;
    };

    void read(std::size_t index);
    void take_cold(std::size_t index, Offset until, Result<std::vector<storage::BatchRef>> answer);
    void take(Source& source, std::vector<storage::BatchRef> batches);
    [[nodiscard]] bool complete() const noexcept;
    void answer();

    Core& core_;
    FetchPath& path_;
    const FetchKey key_;
    const Responder responder_;
    const std::size_t bytes_min_;
    const std::size_t bytes_max_;
    boost::asio::steady_timer deadline_;
    bool expired_ = false;
    bool full_ = false;  // the next batch would not fit
    unsigned cold_reads_ = 0;
    std::size_t bytes_ = 0;
    std::vector<Source> sources_;
};

// Thread: owning shard.
class FetchPath {
public:
    explicit FetchPath(Core& core) : core_(core) {}

    void on_fetch(const wire::fb::FetchT& request, Session& session, const Responder& responder);
    void on_list_offsets(const wire::fb::ListOffsetsT& request, const Responder& responder);

    void on_closed(const Session& session);
    // Answers every fetch with what there is.
    void expire_all();

    // Attempts the fetches that were woken. Returns whether there were any.
    bool run();

    [[nodiscard]] std::size_t count() const noexcept { return operations_.size(); }

private:
    friend class FetchOperation;
    void wake(FetchKey key) { woken_.push_back(key); }
    [[nodiscard]] FetchOperation* find(FetchKey key);
    void finish(FetchKey key) { finished_.push_back(key); }
    void sweep();

    [[nodiscard]] Result<storage::TimeLookup> look_up(const wire::fb::OffsetQueryT& query);

    Core& core_;
    std::uint64_t last_number_ = 0;
    std::map<FetchKey, std::unique_ptr<FetchOperation>> operations_;
    std::unordered_map<std::uint64_t, std::size_t> waiting_;  // operations per session
    std::vector<FetchKey> woken_, attempting_, finished_;
};

}  // namespace casc::broker
