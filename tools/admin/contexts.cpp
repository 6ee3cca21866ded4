#include "contexts.hpp"

#include "json_text.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

namespace casc::admin {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFileName = "contexts.json";

Error io_error(const fs::path& path) {
    return Error(ErrorCode::io_failed, path.string() + ": " + std::strerror(errno));
}

std::string text_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr || value->is_null()) return {};
    const auto& text = value->as_string();
    return {text.data(), text.size()};
}

ConnectionContext context_of(const json::object& object) {
    ConnectionContext context;
    for (const json::value& endpoint : object.at("endpoints").as_array())
        context.endpoints.emplace_back(endpoint.as_string());
    if (const json::value* timeout = object.if_contains("timeout_ms");
        timeout && !timeout->is_null())
        context.timeout = std::chrono::milliseconds(timeout->to_number<std::int64_t>());
    context.note = text_of(object, "note");
    return context;
}

json::object to_json(const Contexts& contexts) {
    json::object all;
    for (const auto& [name, context] : contexts.all) {
        json::object object{{"endpoints", json::value_from(context.endpoints)}};
        if (context.timeout) object["timeout_ms"] = context.timeout->count();
        if (!context.note.empty()) object["note"] = context.note;
        all[name] = std::move(object);
    }
    return {{"current", contexts.current},
            {"previous", contexts.previous},
            {"contexts", std::move(all)}};
}

// Written beside its place, flushed and moved there: a crash leaves the old file or the new one.
Result<void> replace_file(const fs::path& path, const std::string& text) {
    const fs::path beside = path.string() + "." + std::to_string(::getpid());
    const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return io_error(beside);
    const bool written =
        ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(file) == 0;
    ::close(file);
    if (written && ::rename(beside.c_str(), path.c_str()) == 0) return {};
    Error error = io_error(path);
    ::unlink(beside.c_str());
    return error;
}

}  // namespace

Result<const ConnectionContext*> Contexts::find(const std::string& name) const {
    if (const auto found = all.find(name); found != all.end()) return &found->second;
    std::string known;
    for (const auto& [other, context] : all)
        known += (known.empty() ? "" : ", ") + other;
    return Error(ErrorCode::invalid_config,
                 "no context is named '" + name + "'; " +
                     (known.empty() ? "there are none yet" : "there are: " + known));
}

fs::path config_directory() {
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return fs::path(value == nullptr ? "" : value);
    };
    if (const fs::path own = variable("CASC_CONFIG_DIR"); !own.empty()) return own;
    if (const fs::path xdg = variable("XDG_CONFIG_HOME"); xdg.is_absolute()) return xdg / "casc";
    return variable("HOME") / ".config" / "casc";
}

Result<Contexts> load_contexts(const fs::path& directory) {
    const fs::path path = directory / kFileName;
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) return Contexts{};
        return io_error(path);
    }
    std::stringstream text;
    text << file.rdbuf();
    try {
        const json::value parsed = json::parse(text.str());
        const json::object& object = parsed.as_object();
        Contexts contexts;
        contexts.current = text_of(object, "current");
        contexts.previous = text_of(object, "previous");
        for (const auto& [name, value] : object.at("contexts").as_object())
            contexts.all[name] = context_of(value.as_object());
        return contexts;
    } catch (const std::exception& e) {
        return Error(ErrorCode::invalid_config,
                     path.string() + " is damaged (" + e.what() + "); correct or remove it");
    }
}

Result<void> save_contexts(const fs::path& directory, const Contexts& contexts) {
    std::error_code failed;
    if (fs::create_directories(directory, failed)) ::chmod(directory.c_str(), 0700);
    if (failed) return Error(ErrorCode::io_failed, directory.string() + ": " + failed.message());
    return replace_file(directory / kFileName, pretty_json(to_json(contexts)) + "\n");
}

}  // namespace casc::admin
