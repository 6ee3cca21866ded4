#include "sample_frames.hpp"

namespace casc::golden {

using namespace wire;

std::vector<Sample> tap_samples() {
    std::vector<Sample> samples;
    fb::TapT tap;
    tap.subscription_id = 5;
    tap.topics = {"prices", "orders"};
    tap.order = 1;
    tap.start = 1;
    tap.last_events = 100;
    tap.on_full = 3;
    tap.events_max = 50'000;
    tap.bytes_max = 4u << 20;
    tap.share = "workers";
    tap.peer = "anna";
    tap.credit_bytes = 1u << 20;
    tap.credit_events = 10'000;
    tap.deliver_bytes_max = 256u << 10;
    samples.push_back(request("tap", tap));
    fb::TapReplyT tapped;
    tapped.topic_ids = {9, 7};
    samples.push_back(response<fb::TapT>("tap", tapped));

    fb::UntapT untap;
    untap.subscription_id = 5;
    samples.push_back(request("untap", untap));
    samples.push_back(response<fb::UntapT>("untap", {}));

    fb::DeliverT deliver;
    deliver.subscription_id = 5;
    deliver.topic_id = 9;
    deliver.partition = 3;
    deliver.lane = 1;
    deliver.skipped = 1'234;
    samples.push_back({"deliver_tap.push",
                       frame_of(FrameKind::push, Api::deliver, deliver, example_batch(true))});
    deliver.error = 4036;
    samples.push_back({"deliver_cut_off.push", frame_of(FrameKind::push, Api::deliver, deliver)});
    return samples;
}

}  // namespace casc::golden
