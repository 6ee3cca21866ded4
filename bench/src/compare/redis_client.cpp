#include "redis_client.hpp"

#include <stdexcept>

namespace casc::bench::compare {

std::string_view RedisConnection::next_reply() {
    connection_.consume(std::exchange(handed_out_, 0));
    const auto size = scanner_.scan(connection_.unread());
    if (!size) return {};
    handed_out_ = *size;
    const std::string_view reply = connection_.unread().substr(0, *size);
    if (reply.front() == '-')
        throw std::runtime_error("Redis says: " + std::string(reply.substr(1, reply.size() - 3)));
    return reply;
}

std::string RedisConnection::ask(std::initializer_list<std::string_view> words) {
    std::string command;
    append_command(command, words);
    send(command);
    for (;;) {
        const std::string_view reply = next_reply();
        if (!reply.empty()) return std::string(reply);
        connection_.need_more("Redis");
    }
}

}  // namespace casc::bench::compare
