#include "node_api.hpp"

#include <array>
#include <unistd.h>

namespace casc::broker {

std::string software_name() {
    return "casc-broker " CASC_VERSION;
}

void NodeApi::on_info(const std::vector<std::pair<std::string, double>>& figures,
                      const Responder& responder) const {
    wire::fb::NodeInfoReplyT reply;
    reply.broker_id = core_.config.node.id;
    reply.software = software_name();
    reply.pid = static_cast<std::uint32_t>(::getpid());
    reply.uptime_ms = static_cast<std::uint64_t>((mono_now() - facts_.started).value() / 1'000'000);
    reply.data_directory = core_.config.node.data_directory.string();
    reply.disk = facts_.disk;
    reply.endpoints = facts_.endpoints;
    for (const auto& [name, value] : figures) {
        auto figure = std::make_unique<wire::fb::FigureT>();
        figure->name = name;
        figure->value = value;
        reply.figures.push_back(std::move(figure));
    }
    responder.reply(reply);
}

void NodeApi::on_config(const Responder& responder) const {
    constexpr std::array<std::string_view, 4> origins{"default", "file", "environment", "flag"};
    wire::fb::NodeConfigReplyT reply;
    for (const EffectiveSetting& setting : settings_) {
        auto entry = std::make_unique<wire::fb::ConfigEntryT>();
        entry->key = setting.key;
        entry->value = setting.value;
        entry->origin = origins[static_cast<std::size_t>(setting.origin)];
        entry->reloadable = setting.reloadable;
        reply.entries.push_back(std::move(entry));
    }
    responder.reply(reply);
}

void NodeApi::on_backup(const wire::fb::BackupT& request, const Responder& responder) {
    if (request.target.empty() || request.target.front() != '/')
        return responder.error(Error(ErrorCode::invalid_request,
                                     "the target must be an absolute path on the broker's host"));
    core_.store.post_backup(request.target, [responder](Result<std::uint64_t> bytes) {
        if (!bytes) return responder.error(bytes.error());
        wire::fb::BackupReplyT reply;
        reply.bytes = *bytes;
        responder.reply(reply);
    });
}

}  // namespace casc::broker
