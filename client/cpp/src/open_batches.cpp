#include "open_batches.hpp"

#include <algorithm>

namespace casc::client {

Result<wire::BatchView> OpenBatches::check(std::span<const std::byte> rest) const {
    const auto bytes = wire::BatchView::peek_bytes(rest);
    if (!bytes) return ErrorCode::batch_malformed;
    auto view = wire::BatchView::parse(rest.first(*bytes));
    if (!view) return ErrorCode::batch_malformed;
    if (find(rest.data()) != nullptr) return view;
    if (!view->verify_stamp() || !view->verify_body()) return ErrorCode::batch_corrupt;
    return view;
}

Result<std::span<const std::byte>> OpenBatches::open(const wire::BatchView& view) {
    const std::byte* const batch = view.bytes().data();
    if (const Begun* begun = find(batch)) return begun->payloads;
    Begun opened{.batch = batch};
    if (view.header().codec == wire::Codec::none) {
        opened.payloads = view.stored_payloads();
    } else {
        if (decompressors_used_ == decompressors_.size())
            decompressors_.push_back(std::make_unique<wire::Decompressor>());
        opened.decompressor = decompressors_used_++;
        CASC_TRY(opened.payloads, decompressors_[opened.decompressor]->open(view));
    }
    const auto free = std::find_if(begun_.begin(), begun_.end(),
                                   [](const Begun& each) { return each.batch == nullptr; });
    CASC_ASSERT(free != begun_.end());  // one of each lane
    *free = opened;
    return opened.payloads;
}

const OpenBatches::Begun* OpenBatches::find(const std::byte* batch) const noexcept {
    for (const Begun& begun : begun_)
        if (begun.batch == batch) return &begun;
    return nullptr;
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

void OpenBatches::finish_batch(std::span<const std::byte> rest) noexcept {
    for (Begun& begun : begun_)
        if (begun.batch == rest.data()) begun = {};
}

EventBatch OpenBatches::events(std::size_t count) {
    handed_out_.emplace_back();  // the mark at the end
    return {handed_out_, count};
}

void OpenBatches::release() {
    handed_out_.clear();
    held_.clear();
    decompressors_used_ = 0;
    // What the rest of a begun batch was opened into is not used for another one. By index: one
    // that changes places may be another's.
    for (std::size_t at = 0; at < decompressors_.size(); ++at) {
        const auto user = std::find_if(begun_.begin(), begun_.end(), [at](const Begun& each) {
            return each.batch != nullptr && each.decompressor == at;
        });
        if (user == begun_.end()) continue;
        std::swap(decompressors_[decompressors_used_], decompressors_[at]);
        user->decompressor = decompressors_used_++;
    }
}

}  // namespace casc::client
