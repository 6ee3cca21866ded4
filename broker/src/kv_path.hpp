#pragma once
// The key/value view of compacted topics: put (with an expected revision), get, list, history. What
// is told is durable; whoever asks right after a change waits for it.

#include "key_index.hpp"
#include "produce_path.hpp"

#include <memory>

namespace casc::broker {

// Thread: owning shard. Lifetime: reads that wait for the disk refer to it.
class KvPath {
public:
    KvPath(Core& core, ProducePath& produce) : core_(core), produce_(produce) {}

    void on_put(Session& session, const wire::Frame& frame);
    void on_get(const wire::fb::KvGetT& request, const Responder& responder);
    void on_list(const wire::fb::KvListT& request, const Responder& responder);
    void on_history(const wire::fb::KvHistoryT& request, const Responder& responder);

    [[nodiscard]] std::uint64_t conflicts() const noexcept { return conflicts_; }

private:
    struct Put {
        IncomingBatch incoming;
        std::string_view key;
        bool is_delete;
    };
    struct Get {
        Responder responder;
        TopicId topic;
        std::string key;
        int tries = 0;
    };
    struct History {
        Responder responder;
        TopicId topic;
        LogId log;
        std::string key;
        Offset next;
        Offset until{};
        std::size_t limit;
        std::size_t read_bytes = 0;
        std::size_t found_bytes = 0;
        std::vector<storage::BatchRef> found{};
    };

    // Fails with: unknown_topic, not_compacted.
    [[nodiscard]] Result<const Topic*> compacted_topic(std::uint32_t id) const;
    [[nodiscard]] Result<Put> check_put(Session& session, const wire::fb::KvPutT& request,
                                        std::span<const std::byte> attachment);
    [[nodiscard]] Result<AcceptedBatch> write(const Put& put);

    void get(const std::shared_ptr<Get>& asked);
    void take(const std::shared_ptr<Get>& asked, KeyIndex::Entry entry,
              const std::vector<storage::BatchRef>& batches);
    void look_on(const std::shared_ptr<History>& asked);
    // Whether there is more to look at.
    [[nodiscard]] bool take(History& asked, const std::vector<storage::BatchRef>& batches);
    [[nodiscard]] Result<void> search(History& asked, const storage::BatchRef& ref);
    void answer(History& asked);

    Core& core_;
    ProducePath& produce_;
    std::uint64_t conflicts_ = 0;
};

}  // namespace casc::broker
