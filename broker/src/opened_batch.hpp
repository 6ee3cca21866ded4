#pragma once
// The stored batch that was opened last: whoever takes events out of one, one by one, opens it
// once.

#include <casc/storage/block.hpp>
#include <casc/wire/batch.hpp>
#include <casc/wire/compression.hpp>

#include <optional>

namespace casc::broker {

// Thread: owning shard. Lifetime: keeps the block of the last batch; forget() lets go of it.
class OpenedBatch {
public:
    struct View {
        wire::BatchView batch;
        std::span<const std::byte> payloads;  // uncompressed
    };

    // Checks and decompresses. Valid until the next call. Fails with: batch_malformed,
    // batch_corrupt.
    [[nodiscard]] Result<View> open(const storage::BatchRef& ref) {
        if (view_ && ref_.bytes.data() == ref.bytes.data()) return *view_;
        forget();
        CASC_TRY(const wire::BatchView batch, wire::BatchView::parse(ref.bytes));
        if (!batch.verify_body()) return ErrorCode::batch_corrupt;
        CASC_TRY(const auto payloads, decompressor_.open(batch));
        ref_ = ref;
        view_ = View{batch, payloads};
        return *view_;
    }
    void forget() {
        view_.reset();
        ref_ = {};
    }

private:
    storage::BatchRef ref_;
    std::optional<View> view_;
    wire::Decompressor decompressor_;
};

}  // namespace casc::broker
