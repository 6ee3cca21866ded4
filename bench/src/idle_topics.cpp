#include "idle_topics.hpp"

#include "need.hpp"
#include "pipeline.hpp"
#include "progress.hpp"

#include <casc/wire/batch_builder.hpp>

#include <array>
#include <stdexcept>
#include <unistd.h>

namespace casc::bench {
namespace {

void finish(Pipeline& pipeline, const char* doing) {
    pipeline.finish();
    if (pipeline.error_count() > 0)
        throw std::runtime_error(std::string(doing) + ": " + pipeline.first_error());
}

// A batch of one event, the same for all: it has no producer, and so no sequence.
std::vector<std::byte> one_event() {
    const std::array<std::byte, 100> payload{};
    wire::BatchBuilder builder;
    builder.add_payload(payload, EpochNanos(0));
    std::vector<std::byte> memory;
    const std::span<const std::byte> batch = builder.finish({}, memory);
    return {batch.begin(), batch.end()};
}

}  // namespace

IdleTopics::IdleTopics(const Target& target, std::uint32_t count)
    : prefix_("idle-topics-" + std::to_string(::getpid()) + '.'),
      client_(target.connect()),
      ids_(count) {
    create();
    write();
}

std::string IdleTopics::name(std::size_t number) const {
    return prefix_ + std::to_string(number);
}

void IdleTopics::create() {
    Progress progress("idle topics: creating");
    Pipeline pipeline;
    for (std::size_t i = 0; i < ids_.size(); ++i) {
        wire::fb::CreateTopicT request;
        request.name = name(i);
        pipeline.start();
        client_->call_async(
            request, {},
            [&pipeline, &id = ids_[i]](const Result<wire::fb::CreateTopicReplyT>& reply) {
                if (reply) id = reply->topic_id;
                pipeline.done(reply ? nullptr : &reply.error());
            });
        progress.show(static_cast<double>(i) / static_cast<double>(ids_.size()));
    }
    finish(pipeline, "creating the idle topics");
}

// A producer for each would have two more requests each.
void IdleTopics::write() {
    Progress progress("idle topics: writing");
    Pipeline pipeline;
    wire::Encoder encoder;
    const std::vector<std::byte> batch = one_event();
    for (std::size_t i = 0; i < ids_.size(); ++i) {
        wire::fb::ProduceT request;
        request.topic_id = ids_[i];
        request.acks = static_cast<std::uint8_t>(Acks::durable);
        pipeline.start();
        client_->call_raw(
            wire::Api::produce, encoder.encode(request), {},
            [&pipeline](const Result<client::Reply>& reply) {
                pipeline.done(reply ? nullptr : &reply.error());
            },
            batch);
        progress.show(static_cast<double>(i) / static_cast<double>(ids_.size()));
    }
    finish(pipeline, "writing an event to each idle topic");
}

std::uint32_t IdleTopics::count_there() const {
    std::uint32_t count = 0;
    wire::fb::ListTopicsT request;
    request.prefix = prefix_;
    for (bool more = true; more;) {
        const auto page = need(client_->call(request), "listing the idle topics");
        for (const auto& topic : page.topics)
            count += topic->events == 1 ? 1 : 0;
        more = page.more && !page.topics.empty();
        if (more) request.after = page.topics.back()->name;
    }
    return count;
}

}  // namespace casc::bench
