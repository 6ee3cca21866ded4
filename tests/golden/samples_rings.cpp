#include "sample_frames.hpp"

namespace casc::golden {

using namespace wire;

std::vector<Sample> ring_samples() {
    std::vector<Sample> samples;
    fb::OpenRingsT open;
    open.ring_bytes = 65'536;
    samples.push_back(request("open_rings", open));
    fb::OpenRingsReplyT opened;
    opened.layout = 1;
    opened.ring_bytes = 65'536;
    samples.push_back(response<fb::OpenRingsT>("open_rings", opened));
    return samples;
}

}  // namespace casc::golden
