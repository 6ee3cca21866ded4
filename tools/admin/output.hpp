#pragma once
// tools/admin/output.hpp: the two streams of casc-admin. Data goes to stdout in the format that was
// asked for, everything else to stderr.
//
//   out.show(listing);                              // a table, a JSON array, or a line per row
//   out.done(document, "created topic 'orders'");   // JSON has the document, people the sentence
//
// Thread: one at a time.

#include "exit_code.hpp"
#include "listing.hpp"

#include <casc/types/error.hpp>

#include <string_view>

namespace casc::admin {

enum class Format : std::uint8_t { table, json, jsonl };

class Output {
public:
    Output(Format format, bool quiet);

    [[nodiscard]] Format format() const noexcept { return format_; }
    [[nodiscard]] bool quiet() const noexcept { return quiet_; }
    [[nodiscard]] bool color() const noexcept { return color_; }

    void show(const Listing& listing);
    void show(const Document& document);
    // For commands that change something.
    void done(const Document& document, std::string_view sentence);
    // One object on a line of its own, whatever the format.
    void line(const json::value& value);
    // Data that is text already.
    void write(std::string_view text);

    // A remark for people; -q leaves it out.
    void note(std::string_view text);
    // What happened, why and what to do. JSON formats get {"error":{...}}. Returns the exit code.
    ExitCode fail(const Error& error);
    ExitCode fail(const Error& error, ExitCode code, std::string_view hint);

    // Pushes out what is buffered; false once something could not be written.
    [[nodiscard]] bool flush();

private:
    const Format format_;
    const bool quiet_;
    const bool color_;
};

// Whether a stream is a terminal that may be decorated: NO_COLOR and TERM=dumb say no.
[[nodiscard]] bool is_terminal(int descriptor);
[[nodiscard]] bool may_color(int descriptor);

}  // namespace casc::admin
