#include "open_batches.hpp"

#include <algorithm>

namespace casc::client {

Result<wire::BatchView> OpenBatches::check(std::span<const std::byte> rest) const {
    const auto bytes = wire::BatchView::peek_bytes(rest);
    if (!bytes) return ErrorCode::batch_malformed;
    auto view = wire::BatchView::parse(rest.first(*bytes));
    if (!view) return ErrorCode::batch_malformed;
    if (begun_ == rest.data()) return view;
    if (!view->verify_stamp() || !view->verify_body()) return ErrorCode::batch_corrupt;
    return view;
}

Result<std::span<const std::byte>> OpenBatches::open(const wire::BatchView& view) {
    if (begun_ == view.bytes().data()) return begun_payloads_;
    begun_ = view.bytes().data();
    begun_decompressor_ = kNone;
    if (view.header().codec == wire::Codec::none) return begun_payloads_ = view.stored_payloads();
    if (decompressors_used_ == decompressors_.size())
        decompressors_.push_back(std::make_unique<wire::Decompressor>());
    begun_decompressor_ = decompressors_used_++;
    CASC_TRY(begun_payloads_, decompressors_[begun_decompressor_]->open(view));
    return begun_payloads_;
}

void OpenBatches::hand_out(const ReceivedBatch& batch, const BufferRef& buffer) {
    handed_out_.push_back(batch);
    held_.push_back(buffer);
}

OpenBatches::HandedOut OpenBatches::hand_out(const ReceivedBatch& batch, const InboxItem& item,
                                             std::size_t events_max) {
    HandedOut handed{0, batch.first};
    const auto run_end = [&](std::uint32_t from, bool meant) {
        if (item.matches == nullptr) return meant ? batch.end : from;
        while (from < batch.end && item.means(from) == meant)
            ++from;
        return from;
    };
    for (;;) {
        ReceivedBatch run = batch;
        run.first = handed.end = run_end(handed.end, false);
        const std::size_t room = events_max - handed.events;
        if (run.first == batch.end || room == 0) return handed;
        // Not first + room: there may be room for more than anybody can count.
        run.end = run.first + static_cast<std::uint32_t>(std::min<std::size_t>(
                                  run_end(run.first, true) - run.first, room));
        hand_out(run, item.buffer);
        handed.events += run.end - run.first;
        handed.end = run.end;
    }
}

void OpenBatches::finish_batch() noexcept {
    begun_ = nullptr;
    begun_decompressor_ = kNone;
}

EventBatch OpenBatches::events(std::size_t count) {
    handed_out_.emplace_back();  // the mark at the end
    return {handed_out_, count};
}

void OpenBatches::release() {
    handed_out_.clear();
    held_.clear();
    decompressors_used_ = 0;
    if (begun_decompressor_ == kNone) return;
    // What the rest of a begun batch was opened into is not used for another one.
    std::swap(decompressors_[0], decompressors_[begun_decompressor_]);
    begun_decompressor_ = 0;
    decompressors_used_ = 1;
}

}  // namespace casc::client
