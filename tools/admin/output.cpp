#include "output.hpp"

#include "json_text.hpp"
#include "table.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace casc::admin {

bool is_terminal(int descriptor) {
    return ::isatty(descriptor) == 1;
}

bool may_color(int descriptor) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return is_terminal(descriptor) && (no_color == nullptr || *no_color == '\0') &&
           (term == nullptr || std::strcmp(term, "dumb") != 0);
}

Output::Output(Format format, bool quiet)
    : format_(format), quiet_(quiet), color_(may_color(STDOUT_FILENO)) {}

void Output::write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
}

void Output::line(const json::value& value) {
    write(compact_json(value) + "\n");
}

void Output::show(const Listing& listing) {
    if (format_ == Format::table) return write(render_table(listing, color_));
    if (format_ == Format::json) return write(pretty_json(to_json(listing)) + "\n");
    for (std::size_t row = 0; row < listing.rows.size(); ++row)
        line(to_json(listing, row));
}

void Output::show(const Document& document) {
    if (format_ == Format::table) return write(render_document(document, color_));
    if (format_ == Format::json) return write(pretty_json(to_json(document)) + "\n");
    line(to_json(document));
}

void Output::done(const Document& document, std::string_view sentence) {
    if (format_ == Format::table) return note(sentence);
    show(document);
}

void Output::note(std::string_view text) {
    if (quiet_) return;
    std::fflush(stdout);  // a reader of both sees them in order
    std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

ExitCode Output::fail(const Error& error) {
    return fail(error, exit_code_for(error.code), hint_for(error));
}

ExitCode Output::fail(const Error& error, ExitCode code, std::string_view hint) {
    const ErrorInfo info = error_info(error.code);
    std::fflush(stdout);  // as in note()
    if (format_ != Format::table) {
        json::object object{
            {"code", static_cast<std::uint16_t>(error.code)},
            {"name", info.name},
            {"message", error.detail.empty() ? std::string(info.sentence) : error.detail},
            {"retryable", info.retryable}};
        object["hint"] = hint.empty() ? json::value(nullptr) : json::value(hint);
        const std::string text = compact_json(json::object{{"error", std::move(object)}});
        std::fprintf(stderr, "%s\n", text.c_str());
        return code;
    }
    const bool color = may_color(STDERR_FILENO);
    std::fprintf(stderr, "%scasc-admin: %s%s\n", color ? "\x1b[31m" : "", error.message().c_str(),
                 color ? "\x1b[0m" : "");
    if (!hint.empty())
        std::fprintf(stderr, "  hint: %.*s\n", static_cast<int>(hint.size()), hint.data());
    return code;
}

bool Output::flush() {
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

}  // namespace casc::admin
