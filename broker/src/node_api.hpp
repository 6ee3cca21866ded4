#pragma once
// The requests about the broker itself.

#include "core.hpp"

namespace casc::broker {

// Thread: owning shard.
class NodeApi {
public:
    struct Facts {
        std::string disk;
        std::vector<std::string> endpoints;
        MonoNanos started;
    };

    NodeApi(Core& core, std::vector<EffectiveSetting>& settings, Facts& facts)
        : core_(core), settings_(settings), facts_(facts) {}

    void on_info(const std::vector<std::pair<std::string, double>>& figures,
                 const Responder& responder) const;
    void on_config(const Responder& responder) const;
    void on_backup(const wire::fb::BackupT& request, const Responder& responder);

private:
    Core& core_;
    std::vector<EffectiveSetting>& settings_;
    Facts& facts_;
};

// "casc-broker 0.1.0"
[[nodiscard]] std::string software_name();

}  // namespace casc::broker
