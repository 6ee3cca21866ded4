#include "model_host_call.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

namespace casc::admin {

namespace {

constexpr std::string_view kModelsSubject = "casc.models";

Error nonsense() {
    return {ErrorCode::malformed_message, "the answer of the models' host is not what was asked"};
}

}  // namespace

Result<json::object> ask_host(Session& session, json::object request, milliseconds patience) {
    CASC_TRY(client::Client* const client, session.client());
    const std::string text = compact_json(request);
    const auto answer =
        client->request(kModelsSubject, {.payload = std::as_bytes(std::span(text))}, patience);
    if (!answer && answer.error().code == ErrorCode::no_responders)
        return Error(ErrorCode::no_responders,
                     "this broker serves no models; models.folder in its configuration says where "
                     "they are");
    if (!answer) return answer.error();
    boost::system::error_code malformed;
    json::value value = json::parse(answer->text(), malformed);
    if (malformed || !value.is_object()) return nonsense();
    return std::move(value.get_object());
}

Result<json::object> ask_host_for_model(Session& session, json::object request,
                                        milliseconds patience) {
    CASC_TRY(json::object answer, ask_host(session, std::move(request), patience));
    json::value* const model = answer.if_contains("model");
    if (model == nullptr || !model->is_object()) return nonsense();
    return std::move(model->get_object());
}

Result<json::array> ask_host_for_models(Session& session, json::object request,
                                        milliseconds patience) {
    CASC_TRY(json::object answer, ask_host(session, std::move(request), patience));
    json::value* const models = answer.if_contains("models");
    if (models == nullptr || !models->is_array()) return nonsense();
    json::array& all = models->get_array();
    const auto is_object = [](const json::value& one) { return one.is_object(); };
    if (!std::all_of(all.begin(), all.end(), is_object)) return nonsense();
    return std::move(all);
}

json::value value_of(const json::object& object, std::string_view path) {
    const std::size_t dot = path.find('.');
    const json::value* const found = object.if_contains(path.substr(0, dot));
    if (found == nullptr) return nullptr;
    if (dot == path.npos) return *found;
    return found->is_object() ? value_of(found->get_object(), path.substr(dot + 1))
                              : json::value(nullptr);
}

void add_value(Document& document, const json::object& object, std::string_view path,
               std::string_view heading, Style style) {
    json::value value = value_of(object, path);
    if (!value.is_null()) document.add(path, heading, std::move(value), style);
}

double number_of(const json::object& object, std::string_view path) {
    constexpr double kThousandths = 1000;
    const json::value value = value_of(object, path);
    if (!value.is_number()) return 0;
    return std::round(value.to_number<double>() * kThousandths) / kThousandths;
}

}  // namespace casc::admin
