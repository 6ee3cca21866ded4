#include "infer_stats.hpp"

#include "listing.hpp"
#include "model_host_call.hpp"

namespace casc::admin {

namespace {

// One model in all detail.
Document document_of(const json::object& model) {
    Document document;
    const auto add = [&](std::string_view path, std::string_view heading,
                         Style style = Style::text) {
        add_value(document, model, path, heading, style);
    };
    const auto add_number = [&](std::string_view path, std::string_view heading) {
        document.add(path, heading, number_of(model, path));
    };
    add("name", "name");
    add("version", "version");
    add("state", "state");
    add("backend", "backend");
    add("requests.ok", "answered", Style::count);
    add("requests.timeout", "too late", Style::count);
    add("requests.rejected", "rejected", Style::count);
    add("requests.cancelled", "cancelled", Style::count);
    add("requests.error", "failed", Style::count);
    add("fallbacks", "by fallbacks", Style::count);
    add("running", "running", Style::count);
    add("slots", "slots", Style::count);
    add("prompt_tokens", "prompt tokens", Style::count);
    add("answer_tokens", "answer tokens", Style::count);
    add("steps", "steps", Style::count);
    add("failed_steps", "failed steps", Style::count);
    add_number("batch_mean", "requests per step");
    add_number("prompt_step_ms.p50", "prompt step p50 ms");
    add_number("decode_step_ms.p50", "decode step p50 ms");
    add_number("first_token_ms.p50", "first token p50 ms");
    add_number("first_token_ms.p99", "first token p99 ms");
    add_number("per_token_ms.p50", "per token p50 ms");
    add_number("per_token_ms.p99", "per token p99 ms");
    add_number("request_ms.p50", "request p50 ms");
    add_number("request_ms.p99", "request p99 ms");
    Section lanes{"lanes",
                  "LANES",
                  {{{"lane", "LANE"},
                    {"waiting", "WAITING", Style::count},
                    {"queue_ms_p50", "IN LINE P50 MS"},
                    {"queue_ms_p99", "IN LINE P99 MS"}},
                   {}}};
    for (const Lane lane : kLanes) {
        const std::string path = "lanes." + std::string(to_string(lane));
        lanes.listing.add({json::value(to_string(lane)), value_of(model, path + ".waiting"),
                           number_of(model, path + ".queue_ms.p50"),
                           number_of(model, path + ".queue_ms.p99")});
    }
    document.sections.push_back(std::move(lanes));
    const auto add_counts = [&](std::string_view key, std::string_view heading,
                                std::string_view of) {
        Section section{key, heading, {{{"of", of}, {"count", "COUNT", Style::count}}, {}}};
        const json::value counts = value_of(model, key);
        if (counts.is_object())
            for (const auto& [name, count] : counts.get_object())
                section.listing.add({json::value(name), count});
        document.sections.push_back(std::move(section));
    };
    add_counts("batch_sizes", "STEPS BY REQUESTS, UP TO", "REQUESTS");
    add_counts("fire_reasons", "WHY BATCHES LEFT", "REASON");
    return document;
}

Listing listing_of(const json::array& models) {
    Listing listing{{{"name", "NAME"},
                     {"state", "STATE"},
                     {"answered", "ANSWERED", Style::count},
                     {"failed", "FAILED", Style::count},
                     {"running", "RUNNING", Style::count},
                     {"batch_mean", "PER STEP"},
                     {"tokens", "TOKENS", Style::count},
                     {"first_token_ms_p50", "FIRST MS"},
                     {"per_token_ms_p50", "PER TOKEN MS"},
                     {"request_ms_p99", "REQUEST P99 MS"}},
                    {}};
    for (const json::value& one : models) {
        const json::object& model = one.get_object();
        listing.add({value_of(model, "name"), value_of(model, "state"),
                     value_of(model, "requests.ok"), value_of(model, "requests.error"),
                     value_of(model, "running"), number_of(model, "batch_mean"),
                     value_of(model, "answer_tokens"), number_of(model, "first_token_ms.p50"),
                     number_of(model, "per_token_ms.p50"), number_of(model, "request_ms.p99")});
    }
    return listing;
}

Result<ExitCode> show_stats(Session& session, const std::string& name) {
    CASC_TRY(const Connection connection, session.connection());
    CASC_TRY(const json::array models,
             ask_host_for_models(session, {{"op", "stats"}, {"name", name}}, connection.timeout));
    if (session.out().format() == Format::json) {
        session.out().line(models);
    } else if (session.out().format() == Format::jsonl) {
        for (const json::value& model : models)
            session.out().line(model);
    } else if (name.empty()) {
        session.out().show(listing_of(models));
    } else {
        for (const json::value& model : models)
            session.out().show(document_of(model.get_object()));
    }
    return ExitCode::ok;
}

}  // namespace

void add_infer_stats(Commands& commands, CLI::App* noun) {
    auto name = std::make_shared<std::string>();
    CLI::App* verb =
        noun->add_subcommand("stats", "Show what models have done since they were loaded");
    verb->add_option("MODEL", *name, "One of them, in detail (default: all)");
    commands.on(verb, [name](Session& session) { return show_stats(session, *name); });
}

}  // namespace casc::admin
