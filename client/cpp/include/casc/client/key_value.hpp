#pragma once
// casc/client/key_value.hpp: a compacted topic as a store of keys and values.
//
//   CASC_TRY(auto config, client->open_key_value("config"));
//   CASC_TRY(const auto old, config.get("rate"));
//   CASC_TRY(const auto put, config.put("rate", "250", old ? old->revision : 0));
//   if (!put.stored) ...somebody was faster, the key is at put.revision
//
// Every change is an event of the topic: consumers, groups and taps see it, and what they produce
// with a key is a change here.

#include <casc/client/consumer.hpp>
#include <casc/types/result.hpp>
#include <casc/types/vocabulary.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casc::client {

class Core;

// Which change of a key: one more than the offset of its event, so it rises with every change of a
// key (and of its partition), is never used twice, and 0 stands for "has no value".
using Revision = std::uint64_t;

struct KeyValueEntry {
    std::string key;
    std::string value;
    Revision revision = 0;
    PartitionId partition;
    EpochNanos time;       // when the broker took it
    bool removed = false;  // this change deleted the key; only in a history or a watch
};

// What became of a put or remove.
struct Written {
    bool stored = false;    // false: the key is not at the expected revision; nothing was done
    Revision revision = 0;  // of the change, or, when it was not stored, of the key as it is; 0: it
                            // has no value
};

struct KeyListOptions {
    std::string prefix{};
    std::string from{};       // only keys from here on
    std::string until{};      // and before this one; empty: to the end
    std::string after{};      // only keys behind this one: the last one of the page before
    std::uint32_t limit = 0;  // 0: the broker's own bound (1000)
};
struct KeyInfo {
    std::string key;
    Revision revision = 0;
    PartitionId partition;
    EpochNanos time;
    std::uint32_t value_bytes = 0;
};
struct KeyPage {
    std::vector<KeyInfo> keys;  // in the order of their bytes
    bool more = false;
};

enum class WatchStart : std::uint8_t {
    now,      // changes from now on
    current,  // the current values first, then a mark, then changes
    resume    // changes behind `positions`
};
struct WatchOptions {
    std::string prefix{};              // only keys that start with this
    std::optional<std::string> key{};  // only this one
    WatchStart start = WatchStart::now;
    std::vector<Place> positions{};  // of an earlier watch, see KeyWatch::positions()
};

// What a watch tells.
struct KeyChange {
    // With WatchStart::current: what comes from now on has happened since. Has no entry.
    bool is_mark = false;
    KeyValueEntry entry;
};

class WatchImpl;

// Misses nothing: it reads the topic's log. Of a key that changes fast, or while the current values
// come, it may tell several changes one after the other; the last one counts.
// Thread:   one at a time.
// Lifetime: the destructor closes; may outlive the Client, and then fails with `cancelled`.
class KeyWatch {
public:
    explicit KeyWatch(std::unique_ptr<WatchImpl> impl);  // see KeyValue::watch
    ~KeyWatch();
    KeyWatch(KeyWatch&&) noexcept;
    KeyWatch& operator=(KeyWatch&&) noexcept;

    // The next change; nothing when none has come by `timeout`. Fails with: batch_corrupt,
    // batch_malformed, unknown_topic, cancelled; it is usable afterwards.
    [[nodiscard]] Result<std::optional<KeyChange>> next(milliseconds timeout);
    // Behind what next() has told: where a later watch resumes.
    [[nodiscard]] std::vector<Place> positions() const;

private:
    std::unique_ptr<WatchImpl> impl_;
};

// Thread:   any; every call is a request of its own and waits for its answer, so none may be made
//           from a callback of the client.
// Lifetime: may outlive the Client; calls then fail with `cancelled`.
//
// Every call fails with: unknown_topic, not_compacted, timeout, connection_closed (a put may or may
// not have been carried out: get() tells), queue_full, cancelled, invalid_request (from a
// callback).
class KeyValue {
public:
    KeyValue(std::shared_ptr<Core> core, std::string topic, TopicId id);  // see open_key_value
    KeyValue(const KeyValue&) = default;
    KeyValue& operator=(const KeyValue&) = default;

    // Nothing: the key has no value. Sees every change that was acknowledged before the call.
    [[nodiscard]] Result<std::optional<KeyValueEntry>> get(std::string_view key) const;
    // Durable when it returns. `expected`: only if the key is at this revision, 0: only if it has
    // no value. Fails also with: invalid_request (no key, or one of more than 4096 bytes),
    // event_too_large, overloaded (too many keys), disk_full.
    [[nodiscard]] Result<Written> put(std::string_view key, std::string_view value,
                                      std::optional<Revision> expected = {}) const;
    // Of a key without a value nothing is written; that counts as stored, with revision 0.
    [[nodiscard]] Result<Written> remove(std::string_view key,
                                         std::optional<Revision> expected = {}) const;
    [[nodiscard]] Result<KeyPage> list(const KeyListOptions& options = {}) const;
    // What is still there of the key, oldest first: compaction takes away what is not the last.
    // At most `limit`, the newest ones.
    [[nodiscard]] Result<std::vector<KeyValueEntry>> history(std::string_view key,
                                                             std::size_t limit = 1000) const;
    // Fails also with: revision_compacted (WatchStart::resume, and deletions behind a position have
    // been compacted away: begin with the current values), invalid_request.
    [[nodiscard]] Result<KeyWatch> watch(WatchOptions options = {}) const;

    [[nodiscard]] const std::string& topic() const noexcept { return topic_; }

private:
    [[nodiscard]] Result<Written> write(std::string_view key, std::string_view value,
                                        bool is_tombstone, std::optional<Revision> expected) const;

    std::shared_ptr<Core> core_;
    std::string topic_;
    TopicId id_;
};

}  // namespace casc::client
