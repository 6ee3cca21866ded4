#include <casc/client/answer.hpp>
#include <casc/wire/compression.hpp>

namespace casc::client {

Result<Answer> Answer::open(std::span<const std::byte> batch, std::uint64_t responder) {
    Answer answer;
    answer.batch_.assign(batch.begin(), batch.end());
    answer.responder_ = responder;
    CASC_TRY(const wire::BatchView view, wire::BatchView::parse(answer.batch_));
    if (!view.verify_body()) return Error(ErrorCode::batch_corrupt);
    if (view.event_count() != 1)
        return Error(ErrorCode::batch_malformed, "an answer of more than one event");
    std::span<const std::byte> payloads = view.stored_payloads();
    if (view.header().codec != wire::Codec::none) {
        wire::Decompressor decompressor;
        CASC_TRY(const auto opened, decompressor.open(view));
        answer.payloads_.assign(opened.begin(), opened.end());
        payloads = answer.payloads_;
    }
    answer.event_ = view.event(0, payloads);
    return answer;
}

}  // namespace casc::client
