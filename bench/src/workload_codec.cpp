// The `codec` workload: what a core can encode, check, compress and decode, beside a memcpy of the
// same bytes. The passes take turns, so that whatever else happens on the machine happens to all of
// them; medians over the rounds.

#include "host.hpp"
#include "progress.hpp"
#include "quantities.hpp"
#include "workload.hpp"

#include <casc/wire/batch.hpp>
#include <casc/wire/batch_builder.hpp>
#include <casc/wire/compression.hpp>
#include <casc/wire/crc32c.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace casc::bench {
namespace {

namespace json = boost::json;

constexpr std::size_t kCodecRounds = 15;  // odd: the median is one of them

// Text-like payloads: LZ4 makes them about half as long, as it does with JSON.
std::vector<std::byte> make_payloads(std::size_t bytes) {
    std::mt19937 random(1);
    std::vector<std::byte> result;
    while (result.size() < bytes) {
        const std::string field =
            "\"field_" + std::to_string(random() % 16) + "\":" + std::to_string(random()) + ',';
        const auto* first = reinterpret_cast<const std::byte*>(field.data());
        result.insert(result.end(), first, first + field.size());
    }
    result.resize(bytes);
    return result;
}

// Processor time: a pass waits for nothing, so what passes beyond it belongs to other programs.
double thread_cpu_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

struct CodecPass {
    std::string name;
    std::function<bool()> run;  // the whole input once; false when something did not check
    std::vector<double> seconds;

    [[nodiscard]] double median_seconds() const { return median(seconds); }
};

// One batch of the shape asked for, and everything the passes need; nothing allocates once it has
// run.
class CodecWork {
public:
    CodecWork(std::size_t event_bytes, std::size_t batch_bytes, std::uint64_t batch_count)
        : event_bytes_(event_bytes),
          events_per_batch_(std::max<std::size_t>(1, batch_bytes / event_bytes)),
          batch_count_(batch_count),
          payloads_(make_payloads(event_bytes * events_per_batch_)),
          copy_(payloads_.size()) {
        static_cast<void>(encode());
    }

    [[nodiscard]] std::uint64_t event_count() const { return batch_count_ * events_per_batch_; }

    bool copy() {
        return each([&] {
            std::memcpy(copy_.data(), payloads_.data(), payloads_.size());
            // The copy is used as far as the compiler knows.
            asm volatile("" : : "r"(copy_.data()) : "memory");
            return true;
        });
    }
    bool encode() {
        return each([&] {
            builder_.reset();
            for (std::size_t i = 0; i < events_per_batch_; ++i) {
                builder_.add_payload(std::span(payloads_).subspan(i * event_bytes_, event_bytes_),
                                     EpochNanos(1));
            }
            encoded_bytes_ = builder_.finish({}, encoded_).size();
            return encoded_bytes_ > payloads_.size();
        });
    }
    bool checksum() {
        return each([&] { return wire::crc32c(payloads_) != 0; });
    }
    bool decode() {
        return each([&] {
            const auto batch = wire::BatchView::parse(std::span(encoded_).first(encoded_bytes_));
            if (!batch || !batch->verify_body()) return false;
            std::size_t bytes = 0;
            const auto payloads = batch->stored_payloads();
            for (std::uint32_t i = 0; i < batch->event_count(); ++i) {
                const auto payload = batch->payload(i, payloads);
                bytes += payload.size();
                asm volatile("" : : "r"(payload.data()));
            }
            return bytes == payloads_.size();
        });
    }
    bool compress() {
        return each([&] {
            compressed_.clear();
            return wire::compress_lz4(payloads_, compressed_) > 0;
        });
    }

private:
    template <class OneBatch>
    bool each(OneBatch&& one) {
        bool ok = true;
        for (std::uint64_t i = 0; i < batch_count_; ++i)
            ok &= one();
        return ok;
    }

    const std::size_t event_bytes_;
    const std::size_t events_per_batch_;
    const std::uint64_t batch_count_;
    const std::vector<std::byte> payloads_;
    std::vector<std::byte> copy_;
    wire::BatchBuilder builder_;
    std::vector<std::byte> encoded_;
    std::size_t encoded_bytes_ = 0;
    std::vector<std::byte> compressed_;
};

void run_codec(const Options& options, Report& report) {
    const std::uint64_t event_bytes = std::max<std::uint64_t>(1, options.size_bytes.value_or(100));
    const std::uint64_t batch_bytes = options.batch_bytes.value_or(256 * 1024);
    if (batch_bytes > wire::kBatchBytesMax / 2 ||
        batch_bytes / event_bytes > wire::kBatchEventsMax || event_bytes > batch_bytes) {
        throw std::runtime_error(
            "an event must fit a batch, and a batch 8 MiB and a million events");
    }
    const std::uint64_t total_bytes = options.total_bytes.value_or(64 << 20);
    const std::uint64_t batch_count = std::max<std::uint64_t>(1, total_bytes / batch_bytes);
    report.parameters = {{"payload_bytes", event_bytes},
                         {"batch_bytes", batch_bytes},
                         {"bytes_per_round", batch_count * batch_bytes},
                         {"rounds", kCodecRounds},
                         {"crc32c", wire::crc32c_path()}};
    print_banner(report);

    CodecWork work(event_bytes, batch_bytes, batch_count);
    std::vector<CodecPass> passes{{"memcpy", [&] { return work.copy(); }, {}},
                                  {"encode", [&] { return work.encode(); }, {}},
                                  {"decode", [&] { return work.decode(); }, {}},
                                  {"crc32c", [&] { return work.checksum(); }, {}},
                                  {"lz4", [&] { return work.compress(); }, {}}};
    {
        Progress progress("codec");
        for (std::size_t round = 0; round < kCodecRounds; ++round) {
            for (std::size_t turn = 0; turn < passes.size(); ++turn) {
                CodecPass& pass = passes[(round + turn) % passes.size()];
                const double began = thread_cpu_seconds();
                report.error_count += pass.run() ? 0 : 1;
                pass.seconds.push_back(thread_cpu_seconds() - began);
            }
            progress.show(static_cast<double>(round + 1) / kCodecRounds);
        }
    }

    const auto events = static_cast<double>(work.event_count());
    const double bytes = events * static_cast<double>(event_bytes);
    json::array cases;
    for (CodecPass& pass : passes) {
        cases.push_back(
            json::object{{"pass", pass.name},
                         {"bytes_per_second", bytes / pass.median_seconds()},
                         {"events_per_second", events / pass.median_seconds()},
                         {"share_of_memcpy", passes[0].median_seconds() / pass.median_seconds()}});
    }
    report.details["cases"] = std::move(cases);
    // The headline is encoding: the checksum is part of it.
    report.events_per_second = events / passes[1].median_seconds();
    report.bytes_per_second = bytes / passes[1].median_seconds();
    report.limit.name = "memcpy of the same payloads";
    report.limit.bytes_per_second = bytes / passes[0].median_seconds();
    report.share_of_limit = report.bytes_per_second / *report.limit.bytes_per_second;
    report.rss_bytes_max = own_rss_bytes_max();
    report.cpu_seconds.client = own_cpu_seconds();
}

constexpr std::array<std::string_view, 3> kCodecFlags{"--size", "--batch-bytes", "--total"};

}  // namespace

extern const Workload kCodecWorkload;
const Workload kCodecWorkload{"codec",
                              "How fast does a core encode, check, compress and decode batches?",
                              kCodecFlags, run_codec};

}  // namespace casc::bench
