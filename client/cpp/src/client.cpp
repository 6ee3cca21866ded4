#include "core.hpp"

#include <casc/client/client.hpp>

namespace casc::client {

Result<std::unique_ptr<Client>> Client::connect(ClientOptions options) {
    CASC_TRY(auto core, Core::start(std::move(options)));
    return std::make_unique<Client>(std::move(core));
}

Client::Client(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Client::~Client() {
    close();
}

bool Client::in_callback() const noexcept {
    return core_->has_turn();
}

void Client::close() {
    core_->close();
}

void Client::call_raw(wire::Api api, std::span<const std::byte> body,
                      std::optional<milliseconds> deadline, ReplyCallback done,
                      std::span<const std::byte> attachments) {
    core_->request(api, {body.begin(), body.end()}, deadline, std::move(done),
                   {attachments.begin(), attachments.end()});
}

wire::fb::HelloReplyT Client::broker() const {
    return core_->broker();
}

}  // namespace casc::client
