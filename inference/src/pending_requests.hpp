#pragma once
// inference/src/pending_requests.hpp: whose the requests are that the stage has.

#include "model_health.hpp"

#include <casc/client/queue_consumer.hpp>
#include <casc/client/responder.hpp>
#include <casc/gpu/generation.hpp>
#include <casc/types/clock.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace casc::inference {

// What of a request's event its answer needs, copied: the views are gone by then.
struct FromEvent {
    client::EventId id;
    std::string key;
    bool has_key = false;
    std::string correlation_id;
};
struct FromCall {
    client::CallId id;
    bool takes_parts = false;
};

struct Pending {
    std::variant<FromEvent, FromCall> from;
    std::string request_id;
    gpu::RequestKind kind = gpu::RequestKind::generate;
    Lane lane = Lane::normal;
    MonoNanos deadline{};
    bool streams = false;
    // As it came, when somebody else may be asked; empty: nobody.
    std::string for_others{};
    std::optional<ModelHealth::Asked> asked{};  // while the model has it, and others could
    bool is_passed_on = false;                  // others have it
};

// Thread: one at a time.
class PendingRequests {
public:
    gpu::RequestId add(Pending pending) {
        const gpu::RequestId id = ++last_id_;
        if (const auto* call = std::get_if<FromCall>(&pending.from))
            calls_[call->id.value] = id;
        else
            ++event_count_;
        all_.emplace(id, std::move(pending));
        return id;
    }
    // Null: it has been answered, or given up.
    [[nodiscard]] Pending* find(gpu::RequestId id) {
        const auto found = all_.find(id);
        return found == all_.end() ? nullptr : &found->second;
    }
    // Those that `is_one` says so of.
    template <class Predicate>
    [[nodiscard]] std::vector<gpu::RequestId> ids_of(Predicate&& is_one) const {
        std::vector<gpu::RequestId> ids;
        for (const auto& [id, pending] : all_)
            if (is_one(pending)) ids.push_back(id);
        return ids;
    }
    // There must be one.
    Pending take(gpu::RequestId id) {
        auto node = all_.extract(id);
        if (const auto* call = std::get_if<FromCall>(&node.mapped().from))
            calls_.erase(call->id.value);
        else
            --event_count_;
        return std::move(node.mapped());
    }
    // 0: none.
    [[nodiscard]] gpu::RequestId of_call(client::CallId call) const {
        const auto found = calls_.find(call.value);
        return found == calls_.end() ? 0 : found->second;
    }
    [[nodiscard]] std::size_t event_count() const noexcept { return event_count_; }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

private:
    std::unordered_map<gpu::RequestId, Pending> all_;
    std::unordered_map<std::uint64_t, gpu::RequestId> calls_;
    std::size_t event_count_ = 0;
    gpu::RequestId last_id_ = 0;
};

}  // namespace casc::inference
