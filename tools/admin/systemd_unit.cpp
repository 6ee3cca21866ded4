#include "systemd_unit.hpp"

#include <string_view>

namespace casc::admin {

namespace {

// The file itself, as one raw string; CMake writes it (tools/CMakeLists.txt).
constexpr std::string_view kTemplate =
#include "casc_broker_service.inc"
    ;

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size())
        text.replace(at, from.size(), to);
}

}  // namespace

std::string systemd_unit(const std::string& bin, const std::string& user) {
    std::string text(kTemplate);
    replace_all(text, "@CMAKE_INSTALL_FULL_BINDIR@", bin);
    replace_all(text, "@CMAKE_INSTALL_FULL_DOCDIR@", "/usr/local/share/doc/casc");
    replace_all(text, "User=casc\n", "User=" + user + "\n");
    replace_all(text, "Group=casc\n", "Group=" + user + "\n");
    return text;
}

}  // namespace casc::admin
