// casc-admin kv get, put, delete, ls, history, watch: the keys and values of a compacted topic.

#include "commands.hpp"
#include "interrupt.hpp"
#include "text_codec.hpp"

#include <iostream>
#include <iterator>

namespace casc::admin {

namespace {

constexpr milliseconds kWatchWait{100};  // how soon Ctrl-C is noticed

struct KeyOf {
    std::string topic;
    std::string key;
};

void add_key(CLI::App* verb, KeyOf& into) {
    verb->add_option("TOPIC", into.topic, "The compacted topic")->required();
    verb->add_option("KEY", into.key, "The key")->required();
}

Result<client::KeyValue> open(Session& session, const std::string& topic) {
    CASC_TRY(client::Client* const client, session.client());
    return client->open_key_value(topic);
}

Document document_of(const client::KeyValueEntry& entry) {
    Document document;
    document.add("key", "KEY", json::value(printable(entry.key)));
    document.add("value", "VALUE",
                 entry.removed ? json::value(nullptr) : json::value(printable(entry.value)));
    document.add("removed", "REMOVED", entry.removed);
    document.add("revision", "REVISION", entry.revision, Style::count);
    document.add("partition", "PARTITION", entry.partition.value(), Style::count);
    document.add("append_time_ns", "TIME", entry.time.value(), Style::time_ns);
    return document;
}

// ---- get ----------------------------------------------------------------------------------------

Result<ExitCode> get(Session& session, const KeyOf& of) {
    CASC_TRY(const auto kv, open(session, of.topic));
    CASC_TRY(const auto found, kv.get(of.key));
    if (!found) {
        session.out().note("the key '" + of.key + "' has no value");
        return ExitCode::not_found;
    }
    if (session.out().format() == Format::table) {
        session.out().write(found->value + "\n");
    } else {
        session.out().show(document_of(*found));
    }
    return ExitCode::ok;
}

// ---- put, delete --------------------------------------------------------------------------------

struct PutOptions {
    KeyOf of;
    std::optional<std::string> value;
    std::optional<std::uint64_t> expected;
    bool create = false;
};

Result<ExitCode> tell(Session& session, const std::string& key, const client::Written& written,
                      const std::string& done) {
    if (!written.stored) {
        const std::string now = written.revision == 0
                                    ? "it has no value"
                                    : "it is at revision " + std::to_string(written.revision);
        return session.out().fail(Error(ErrorCode::revision_conflict, "'" + key + "': " + now));
    }
    Document document;
    document.add("key", "KEY", json::value(printable(key)));
    document.add("revision", "REVISION", written.revision, Style::count);
    session.out().done(document, done + ", revision " + std::to_string(written.revision));
    return ExitCode::ok;
}

Result<ExitCode> put(Session& session, const PutOptions& options) {
    CASC_TRY(const auto kv, open(session, options.of.topic));
    std::string value = options.value.value_or("");
    if (!options.value)
        value.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    auto expected = options.expected;
    if (options.create) expected = 0;
    CASC_TRY(const auto written, kv.put(options.of.key, value, expected));
    return tell(session, options.of.key, written, "put '" + options.of.key + "'");
}

Result<ExitCode> remove(Session& session, const PutOptions& options) {
    CASC_TRY_VOID(session.confirm(
        "deletes the key '" + options.of.key + "' of topic '" + options.of.topic + "'",
        options.of.key));
    CASC_TRY(const auto kv, open(session, options.of.topic));
    CASC_TRY(const auto written, kv.remove(options.of.key, options.expected));
    if (written.stored && written.revision == 0) {
        session.out().note("the key '" + options.of.key + "' had no value");
        return ExitCode::not_found;
    }
    return tell(session, options.of.key, written, "deleted '" + options.of.key + "'");
}

// ---- ls, history --------------------------------------------------------------------------------

struct ListOptions {
    std::string topic;
    client::KeyListOptions keys;
    std::optional<std::uint64_t> count;
};

Result<ExitCode> list(Session& session, const ListOptions& options) {
    CASC_TRY(const auto kv, open(session, options.topic));
    Listing listing{{{"key", "KEY"},
                     {"revision", "REVISION", Style::count},
                     {"value_bytes", "SIZE", Style::bytes},
                     {"partition", "PARTITION", Style::count},
                     {"append_time_ns", "TIME", Style::time_ns}},
                    {}};
    client::KeyListOptions page_of = options.keys;
    for (bool more = true; more;) {
        CASC_TRY(const auto page, kv.list(page_of));
        for (const auto& key : page.keys) {
            if (options.count && listing.rows.size() >= *options.count) break;
            listing.add({json::value(printable(key.key)), key.revision, key.value_bytes,
                         key.partition.value(), key.time.value()});
        }
        more = page.more && !page.keys.empty() &&
               (!options.count || listing.rows.size() < *options.count);
        if (more) page_of.after = page.keys.back().key;
    }
    session.out().show(listing);
    if (listing.rows.empty() && session.out().format() == Format::table)
        session.out().note("no key");
    return ExitCode::ok;
}

Result<ExitCode> history(Session& session, const KeyOf& of) {
    CASC_TRY(const auto kv, open(session, of.topic));
    CASC_TRY(const auto entries, kv.history(of.key));
    Listing listing{{{"revision", "REVISION", Style::count},
                     {"append_time_ns", "TIME", Style::time_ns},
                     {"removed", "REMOVED"},
                     {"value", "VALUE"}},
                    {}};
    for (const auto& entry : entries)
        listing.add({entry.revision, entry.time.value(), entry.removed,
                     entry.removed ? json::value(nullptr) : json::value(printable(entry.value))});
    session.out().show(listing);
    if (entries.empty()) {
        session.out().note("nothing is kept of the key '" + of.key + "'");
        return ExitCode::not_found;
    }
    return ExitCode::ok;
}

// ---- watch --------------------------------------------------------------------------------------

struct WatchFlags {
    std::string topic;
    std::optional<std::string> key;
    std::string prefix;
    bool current = false;
    std::optional<std::uint64_t> count;
};

void print(Session& session, const client::KeyChange& change) {
    if (session.out().format() != Format::table) {
        if (change.is_mark) return session.out().line(json::object{{"mark", true}});
        return session.out().line(to_json(document_of(change.entry)));
    }
    if (change.is_mark) return session.out().note("these are all; from here on what changes");
    const auto& entry = change.entry;
    session.out().write(std::to_string(entry.revision) + "  " + printable(entry.key) +
                        (entry.removed ? "  deleted" : "  " + printable(entry.value)) + "\n");
}

Result<ExitCode> watch(Session& session, const WatchFlags& flags) {
    CASC_TRY(const auto kv, open(session, flags.topic));
    CASC_TRY(auto watch, kv.watch({.prefix = flags.prefix,
                                   .key = flags.key,
                                   .start = flags.current ? client::WatchStart::current
                                                          : client::WatchStart::now}));
    watch_for_interrupt();
    std::uint64_t told = 0;
    while (!interrupted() && (!flags.count || told < *flags.count)) {
        CASC_TRY(const auto change, watch.next(kWatchWait));
        if (!change) {
            if (!session.out().flush()) break;
            continue;
        }
        print(session, *change);
        if (!change->is_mark) ++told;
    }
    static_cast<void>(session.out().flush());
    return ExitCode::ok;
}

}  // namespace

void add_kv_commands(Commands& commands) {
    CLI::App* kv = commands.noun("kv", "Keys and values of compacted topics");

    auto key = std::make_shared<KeyOf>();
    CLI::App* get_verb = kv->add_subcommand("get", "Print the value of a key");
    add_key(get_verb, *key);
    commands.on(get_verb, [key](Session& session) { return get(session, *key); });

    auto putting = std::make_shared<PutOptions>();
    CLI::App* put_verb = kv->add_subcommand("put", "Set the value of a key");
    add_key(put_verb, putting->of);
    put_verb->add_option("VALUE", putting->value, "Its value (default: what comes on stdin)");
    CLI::Option* expected =
        add_parsed(put_verb, "--expected", putting->expected, parse_number, "REVISION",
                   "Only if the key is at this revision; 0: only if it has no value");
    put_verb->add_flag("--create", putting->create, "Only if the key has no value")
        ->excludes(expected);
    commands.on(put_verb, [putting](Session& session) { return put(session, *putting); });

    auto removal = std::make_shared<PutOptions>();
    CLI::App* delete_verb = kv->add_subcommand("delete", "Delete a key");
    add_key(delete_verb, removal->of);
    add_parsed(delete_verb, "--expected", removal->expected, parse_number, "REVISION",
               "Only if the key is at this revision");
    commands.on(delete_verb, [removal](Session& session) { return remove(session, *removal); });

    auto listed = std::make_shared<ListOptions>();
    CLI::App* ls = kv->add_subcommand("ls", "List the keys that have a value, in order");
    ls->add_option("TOPIC", listed->topic, "The compacted topic")->required();
    ls->add_option("--prefix", listed->keys.prefix, "Only keys that start with this")
        ->type_name("TEXT");
    ls->add_option("--from", listed->keys.from, "Only keys from here on")->type_name("KEY");
    ls->add_option("--until", listed->keys.until, "Only keys before this one")->type_name("KEY");
    add_parsed(ls, "-n,--count", listed->count, parse_number, "COUNT", "So many at most");
    commands.on(ls, [listed](Session& session) { return list(session, *listed); });

    auto old = std::make_shared<KeyOf>();
    CLI::App* history_verb =
        kv->add_subcommand("history", "What is still kept of a key, oldest first");
    add_key(history_verb, *old);
    commands.on(history_verb, [old](Session& session) { return history(session, *old); });

    auto flags = std::make_shared<WatchFlags>();
    CLI::App* watch_verb = kv->add_subcommand("watch", "Print what changes, until Ctrl-C");
    watch_verb->add_option("TOPIC", flags->topic, "The compacted topic")->required();
    watch_verb->add_option("KEY", flags->key, "Only this key");
    watch_verb->add_option("--prefix", flags->prefix, "Only keys that start with this")
        ->type_name("TEXT");
    watch_verb->add_flag("--current", flags->current, "Begin with the values that there are");
    add_parsed(watch_verb, "-n,--count", flags->count, parse_number, "COUNT", "Stop after so many");
    commands.on(watch_verb, [flags](Session& session) { return watch(session, *flags); });
}

}  // namespace casc::admin
