#pragma once
// tools/admin/event_printer.hpp: events on standard output, as -f or -o say.

#include "event_format.hpp"
#include "event_json.hpp"
#include "json_text.hpp"
#include "session.hpp"

#include <optional>
#include <string>

namespace casc::admin {

// Thread: one. Lifetime: `session` and `format` must outlive it.
class EventPrinter {
public:
    EventPrinter(Session& session, const std::optional<EventFormat>& format)
        : session_(session), format_(format) {}

    void print(const client::ConsumedEvent& event) {
        ++printed_;
        text_.clear();
        if (format_)
            format_->append(text_, event);
        else if (session_.out().format() == Format::table)
            kPlain.append(text_, event);
        else
            text_ = compact_json(event_to_json(event)) + "\n";
        session_.out().write(text_);
    }
    // After some of them. Fails with: io_failed.
    [[nodiscard]] Result<void> flush() {
        if (session_.out().flush()) return {};
        return Error(ErrorCode::io_failed, "stdout could not be written");
    }
    [[nodiscard]] std::uint64_t printed() const noexcept { return printed_; }

private:
    inline static const EventFormat kPlain = EventFormat::parse("%v\\n").value();

    Session& session_;
    const std::optional<EventFormat>& format_;
    std::uint64_t printed_ = 0;
    std::string text_;
};

inline constexpr const char* kFormatHelp =
    "%t topic %p partition %l lane %o offset %k key %v value %h headers %T time %s size "
    "(default '%v\\n')";

}  // namespace casc::admin
