#pragma once
// producing.hpp: two producers that send the records to the two topics.

#include "ledger.hpp"
#include "records.hpp"

#include <casc/client/call.hpp>

#include <array>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace casc::demo {

inline constexpr std::size_t kProducerCount = 2;
inline constexpr std::array<const char*, kKindCount> kTopics{"debian-packages", "debian-files"};

// Which producer sends a record: all records of a key have the same one, so their order is defined.
[[nodiscard]] std::size_t producer_of(const Record& record);

// Thread: main; it starts one thread per producer. `client`, `records` and `ledger` must outlive
// it.
class Producing {
public:
    // Sends the records [first, last): at `events_per_second` of both together, or as fast as it
    // goes.
    Producing(client::Client& client, const std::vector<Record>& records, SendLedger& ledger,
              std::size_t first, std::size_t last, std::optional<double> events_per_second);
    ~Producing();
    Producing(const Producing&) = delete;
    Producing& operator=(const Producing&) = delete;

    // Until everything is sent and acknowledged, or has failed.
    void join();

private:
    void run(std::size_t producer);

    client::Client& client_;
    const std::vector<Record>& records_;
    SendLedger& ledger_;
    const std::size_t first_;
    const std::size_t last_;
    const std::optional<double> events_per_second_;
    std::vector<std::thread> threads_;
};

struct Throughput {
    std::uint64_t events = 0;
    std::uint64_t bytes = 0;  // payload
    double seconds = 0;
};

// Both producers send the records again and again into `topic`, as fast as the broker acknowledges
// them durable, for `duration`. Throws std::runtime_error when anything is refused.
[[nodiscard]] Throughput produce_at_full_speed(client::Client& client,
                                               const std::vector<Record>& records,
                                               const std::string& topic,
                                               std::chrono::milliseconds duration);

}  // namespace casc::demo
