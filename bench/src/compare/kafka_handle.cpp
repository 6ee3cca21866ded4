#include "kafka_handle.hpp"

#include <array>
#include <stdexcept>

namespace casc::bench::compare {
namespace {

struct ConfigurationEnd {
    void operator()(rd_kafka_conf_t* configuration) const { rd_kafka_conf_destroy(configuration); }
};
using Configuration = std::unique_ptr<rd_kafka_conf_t, ConfigurationEnd>;
using KafkaText = std::array<char, 512>;

void set(rd_kafka_conf_t* configuration, const char* name, const std::string& value) {
    KafkaText text{};
    if (rd_kafka_conf_set(configuration, name, value.c_str(), text.data(), text.size()) !=
        RD_KAFKA_CONF_OK)
        throw std::runtime_error(std::string("librdkafka, ") + name + ": " + text.data());
}

}  // namespace

KafkaHandle make_kafka_handle(rd_kafka_type_t type, const std::string& address,
                              KafkaSettings settings, DeliveryReport report, void* opaque) {
    Configuration configuration(rd_kafka_conf_new());
    set(configuration.get(), "bootstrap.servers", address);
    for (const auto& [name, value] : settings)
        set(configuration.get(), name, value);
    // Whatever goes wrong comes back from a call, too.
    rd_kafka_conf_set_log_cb(configuration.get(), nullptr);
    rd_kafka_conf_set_opaque(configuration.get(), opaque);
    if (report != nullptr) rd_kafka_conf_set_dr_msg_cb(configuration.get(), report);
    KafkaText text{};
    KafkaHandle handle(rd_kafka_new(type, configuration.get(), text.data(), text.size()));
    if (handle == nullptr)
        throw std::runtime_error(std::string("librdkafka, a client: ") + text.data());
    static_cast<void>(configuration.release());  // it is the client's now
    return handle;
}

std::string kafka_complaint(const char* doing, rd_kafka_resp_err_t error) {
    return std::string("Kafka, ") + doing + ": " + rd_kafka_err2str(error);
}

}  // namespace casc::bench::compare
