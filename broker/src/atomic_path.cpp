#include "atomic_path.hpp"

#include <casc/types/assert.hpp>
#include <casc/types/fail_point.hpp>

#include <algorithm>

namespace casc::broker {
namespace {

constexpr std::size_t kBatchesMax = 1024;
constexpr std::size_t kPartsMax = 1024;  // commits, and settles
constexpr std::size_t kBytesMax = 32_MiB;

Error too_many(std::string_view what, std::size_t max) {
    return Error(ErrorCode::invalid_request,
                 "an atomic write has at most " + std::to_string(max) + " " + std::string(what));
}

}  // namespace

void AtomicPath::on_atomic_write(Session& session, const wire::Frame& frame) {
    const Responder responder(core_, session, frame.header);
    const auto request = decode(frame.body);
    if (!request) return responder.error(request.error());
    const auto checked = check(*request, frame.attachments, session);
    if (!checked) return responder.error(checked.error());
    if (const auto reserved = reserve(*checked); !reserved)
        return responder.error(reserved.error());
    auto written = write(*checked);
    if (!written) return responder.error(written.error());
    core_.store.hurry(written->sequence);
    responder.reply_when_durable(written->sequence, std::move(written->reply));
}

// ---- checking -----------------------------------------------------------------------------------

Result<wire::fb::AtomicWriteT> AtomicPath::decode(std::span<const std::byte> body) {
    CASC_TRY(const wire::fb::AtomicWrite* view, wire::view<wire::fb::AtomicWrite>(body));
    std::size_t words = 0;
    for (std::uint32_t i = 0; view->settles() != nullptr && i < view->settles()->size(); ++i)
        words += QueueGroups::count_words(*view->settles()->Get(i));
    if (words > QueueGroups::kWordsMax) return too_many("words of done", QueueGroups::kWordsMax);
    CASC_TRY(wire::fb::AtomicWriteT request, wire::decode<wire::fb::AtomicWrite>(body));
    if (request.batches.size() > kBatchesMax) return too_many("batches", kBatchesMax);
    if (request.commits.size() > kPartsMax) return too_many("commits", kPartsMax);
    if (request.settles.size() > kPartsMax) return too_many("settles", kPartsMax);
    if (request.batches.empty() && request.commits.empty() && request.settles.empty())
        return Error(ErrorCode::invalid_request, "an atomic write of nothing");
    return request;
}

Result<void> AtomicPath::check_batches(Session& session, const wire::fb::AtomicWriteT& request,
                                       std::span<const std::byte> attachments, Checked& checked) {
    produce_.admission().begin();
    std::size_t repeated = 0;
    for (const auto& part : request.batches) {
        CASC_TRY(const std::size_t bytes, wire::BatchView::peek_bytes(attachments));
        CASC_TRY(IncomingBatch incoming,
                 produce_.admission().admit(session, part->topic_id, part->partition,
                                            attachments.first(bytes)));
        attachments = attachments.subspan(bytes);
        if (incoming.place.topic->settings.durability != Durability::durable)
            return Error(ErrorCode::not_supported,
                         "topic " + incoming.place.topic->name +
                             " is not durable: its readers would see a part of an atomic write");
        for (const IncomingBatch& other : checked.batches)
            if (other.place.log == incoming.place.log)
                return Error(ErrorCode::invalid_request, "two batches for one log");
        if (incoming.repeated) ++repeated;
        checked.batches.push_back(std::move(incoming));
    }
    if (!attachments.empty())
        return Error(ErrorCode::invalid_request, "more batches are attached than named");
    // They were written together, so they come again together.
    if (repeated != 0 && repeated != checked.batches.size())
        return Error(ErrorCode::invalid_request,
                     "some of these batches were written before, and others were not");
    checked.repeated = repeated != 0;
    return {};
}

Result<AtomicPath::Checked> AtomicPath::check(const wire::fb::AtomicWriteT& request,
                                              std::span<const std::byte> attachments,
                                              Session& session) {
    Checked checked;
    CASC_TRY_VOID(check_batches(session, request, attachments, checked));
    // What came with batches that are here has been done with them.
    if (checked.repeated) return checked;
    for (const auto& commit : request.commits) {
        CASC_TRY(auto one, groups_.check_commit(*commit));
        checked.commits.push_back(std::move(one));
    }
    for (const auto& settle : request.settles) {
        CASC_TRY(const auto one, queues_.check_done(*settle, session));
        const bool twice = std::any_of(
            checked.done.begin(), checked.done.end(), [&](const QueueGroups::CheckedDone& other) {
                return other.group == one.group && other.member == one.member;
            });
        if (twice) return Error(ErrorCode::invalid_request, "two settles of one member");
        checked.done.push_back(one);
    }
    // Before any of it is opened, which may make much of little.
    std::size_t bytes = 0;
    for (const IncomingBatch& incoming : checked.batches)
        bytes += ProducePath::batch_bytes(incoming);
    if (bytes > kBytesMax)
        return Error(ErrorCode::event_too_large,
                     "an atomic write has at most " + std::to_string(kBytesMax) +
                         " bytes of events, uncompressed where they are divided");
    for (const IncomingBatch& incoming : checked.batches)
        CASC_TRY_VOID(produce_.prepare(incoming));
    return checked;
}

Result<void> AtomicPath::reserve(const Checked& checked) {
    if (checked.repeated) return {};
    std::size_t batch_bytes = 0;
    std::size_t row_bytes = 0;
    for (const IncomingBatch& incoming : checked.batches) {
        batch_bytes += ProducePath::batch_bytes(incoming);
        row_bytes += ProducePath::row_bytes(incoming);
    }
    for (const auto& commit : checked.commits)
        row_bytes += GroupCoordinator::row_bytes(commit);
    for (const auto& done : checked.done)
        row_bytes += QueueGroups::row_bytes(done);
    return core_.store.keep_together(batch_bytes, row_bytes);
}

// ---- writing ------------------------------------------------------------------------------------

Result<AtomicPath::Written> AtomicPath::write(const Checked& checked) {
    const JournalSequence entry = core_.store.filling();
    // Nothing may be left to write: then there is nothing to wait for either.
    Written written{{}, core_.store.durable_through()};
    const auto end_entry = [&] {
        core_.store.hurry(core_.store.filling());
        core_.store.submit();
    };
    const auto wait_for = [&](JournalSequence sequence) {
        written.sequence = std::max(written.sequence, sequence);
    };
    const bool torn = seeded_bug("atomic_in_two_entries");
    for (const IncomingBatch& incoming : checked.batches) {
        if (torn) end_entry();
        CASC_TRY(const AcceptedBatch accepted, produce_.append(incoming));
        wait_for(accepted.sequence);
        written.reply.batches.push_back(
            std::make_unique<wire::fb::ProduceReplyT>(produce_.reply_of(accepted, Acks::durable)));
    }
    CASC_FAIL_POINT("atomic.write");
    for (const auto& commit : checked.commits) {
        CASC_TRY(const JournalSequence sequence, groups_.write_commit(commit));
        wait_for(sequence);
    }
    for (const auto& done : checked.done) {
        CASC_TRY(const JournalSequence sequence, queues_.write_done(done));
        wait_for(sequence);
    }
    CASC_ASSERT(checked.repeated || torn || core_.store.filling() == entry, entry.value());
    return written;
}

}  // namespace casc::broker
