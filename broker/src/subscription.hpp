#pragma once
// One subscription of one connection: sends what it reads as far as its credit goes.

#include "lane_reader.hpp"

namespace casc::broker {

// Thread: owning shard. Lifetime: owned by the delivery table of its session; `session` outlives
// it.
class Subscription final : public LaneReader {
public:
    Subscription(Core& core, Session& session, ReaderScheduler& scheduler, std::uint32_t id,
                 DeliveryOrder order, std::size_t deliver_bytes_max)
        : LaneReader(core, scheduler, order, deliver_bytes_max), session_(session), id_(id) {}

    void set_generation(std::uint32_t generation) { generation_ = generation; }
    void grant(std::uint64_t bytes, std::uint64_t events);

private:
    [[nodiscard]] bool may_send() const noexcept override;
    void deliver(Source& source, std::uint64_t arrival_bound) override;
    void on_dropped(const Source& source, ErrorCode why) override;

    Session& session_;
    const std::uint32_t id_;
    std::uint32_t generation_ = 0;
    std::int64_t credit_bytes_ = 0;
    std::int64_t credit_events_ = 0;
    std::vector<storage::BatchRef> sending_;
};

}  // namespace casc::broker
