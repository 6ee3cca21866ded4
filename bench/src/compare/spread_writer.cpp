#include "spread_writer.hpp"

#include <utility>

namespace casc::bench::compare {
namespace {

class SpreadWriter final : public Writer {
public:
    explicit SpreadWriter(std::vector<std::unique_ptr<Writer>> writers)
        : writers_(std::move(writers)), under_way_(writers_.size()) {}

    std::uint64_t block_events() const override { return writers_.front()->block_events(); }
    std::uint64_t window_events() const override {
        return writers_.front()->window_events() * writers_.size();
    }

    void put(std::span<const std::byte> payload) override {
        writers_[next_]->put(payload);
        ++under_way_[next_];
    }
    void send() override {
        writers_[next_]->send();
        next_ = (next_ + 1) % writers_.size();
    }
    std::uint64_t wait() override {
        if (const std::uint64_t there = poll(); there > 0) return there;
        // The one that is next has been waiting for the longest.
        std::size_t oldest = next_;
        while (under_way_[oldest] == 0)
            oldest = (oldest + 1) % writers_.size();
        return note(oldest, writers_[oldest]->wait());
    }
    std::uint64_t poll() override {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < writers_.size(); ++i)
            sum += note(i, writers_[i]->poll());
        return sum;
    }

private:
    std::uint64_t note(std::size_t writer, std::uint64_t acknowledged) {
        under_way_[writer] -= acknowledged;
        return acknowledged;
    }

    const std::vector<std::unique_ptr<Writer>> writers_;
    std::vector<std::uint64_t> under_way_;
    std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Writer> make_spread_writer(std::vector<std::unique_ptr<Writer>> writers) {
    return std::make_unique<SpreadWriter>(std::move(writers));
}

}  // namespace casc::bench::compare
