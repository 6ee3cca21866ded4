#include <casc/client/retry.hpp>

#include <algorithm>
#include <cmath>

namespace casc::client {

std::optional<std::chrono::milliseconds> Retry::next(const Error& why, Time now, Time deadline) {
    if (attempts_ >= options_.attempts_max) return std::nullopt;
    const bool is_worth_it =
        options_.is_worth_it ? options_.is_worth_it(why.code) : error_info(why.code).retryable;
    if (!is_worth_it) return std::nullopt;
    double pause =
        static_cast<double>(options_.pause_first.count()) * std::pow(options_.base, attempts_ - 1);
    pause = std::min(pause, static_cast<double>(options_.pause_max.count()));
    if (options_.jitter) pause *= std::uniform_real_distribution(0.5, 1.0)(random_);
    pause = std::max(pause, static_cast<double>(why.retry_after_ms));
    const std::chrono::milliseconds whole(static_cast<std::int64_t>(std::ceil(pause)));
    if (whole >= deadline - now) return std::nullopt;
    ++attempts_;
    if (options_.on_retry) options_.on_retry(attempts_, why, whole);
    return whole;
}

}  // namespace casc::client
