#pragma once
// What has been produced over a connection, for DescribeProducer.

#include <casc/types/cut_text.hpp>
#include <casc/types/error.hpp>
#include <casc/types/vocabulary.hpp>
#include <casc/wire/frame.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace casc::broker {

// Thread: owning shard.
class Produced {
public:
    // Of those it is asked about.
    static constexpr std::size_t kProducersMax = 64;

    struct Refusal {
        Error error;
        MonoNanos at;
    };

    [[nodiscard]] static bool is_about(wire::Api api) noexcept {
        return api == wire::Api::produce || api == wire::Api::atomic_write ||
               api == wire::Api::kv_put || api == wire::Api::init_producer;
    }

    // A batch, or the wish for a number, has come; of no producer when `id` is 0.
    void note(ProducerId id, MonoNanos at) {
        last_ = at;
        refusal_.reset();
        if (id == ProducerId(0)) return;
        const auto known = std::find(producers_.begin(), producers_.end(), id);
        if (known != producers_.end()) {
            std::rotate(known, known + 1, producers_.end());
        } else {
            if (producers_.size() == kProducersMax) producers_.erase(producers_.begin());
            producers_.push_back(id);
        }
    }
    void refuse(const Error& error, MonoNanos at) {
        // The text repeats what the client has sent; it is kept for as long as the connection is.
        constexpr std::size_t text_bytes_max = 256;
        refusal_ =
            Refusal{Error(error.code, std::string(cut_text(error.detail, text_bytes_max))), at};
    }

    // The last of them, the one that came last at the end.
    [[nodiscard]] const std::vector<ProducerId>& producers() const noexcept { return producers_; }
    [[nodiscard]] bool has(ProducerId id) const {
        return std::find(producers_.begin(), producers_.end(), id) != producers_.end();
    }
    // When something last came; nothing: never.
    [[nodiscard]] const std::optional<MonoNanos>& last() const noexcept { return last_; }
    // How what last came was refused; nothing: it was not.
    [[nodiscard]] const std::optional<Refusal>& refusal() const noexcept { return refusal_; }

private:
    std::vector<ProducerId> producers_;
    std::optional<MonoNanos> last_;
    std::optional<Refusal> refusal_;
};

}  // namespace casc::broker
