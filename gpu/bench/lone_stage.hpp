#pragma once
// A stage that one thread pushes requests to and reads the answers of. What is under way when it is
// destroyed is not computed to its end.

#include "../check/backends.hpp"

#include <casc/gpu/byte_tokenizer.hpp>
#include <casc/gpu/stage.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace casc::gpu {

class LoneStage {
public:
    // Under way at once; as many have room in the rings.
    static constexpr std::size_t kUnderWayMax = 1024;

    explicit LoneStage(std::unique_ptr<Backend> backend)
        : stage_(engine_of(std::move(backend)), {.command_capacity = kUnderWayMax}, waker_),
          links_(stage_.take_links()) {}

    void push(GenerateRequest request) {
        request.id = ++pushed_;
        if (!links_.commands[0].try_push(std::move(request)))
            give_up(Error(ErrorCode::model_overloaded, "the ring to the stage is full"));
    }
    void wait_for_answer() {
        std::optional<EngineOutput> output;
        while (!(output = links_.outputs.try_pop()))
            waker_->wait([this] { return links_.outputs.ready(); });
        if (const Error& error = std::get<Answer>(*output).error; error.code != ErrorCode::ok)
            give_up(error);
        ++answered_;
    }
    [[nodiscard]] std::size_t under_way() const { return pushed_ - answered_; }

private:
    static std::unique_ptr<Engine> engine_of(std::unique_ptr<Backend> backend) {
        EngineOptions options;
        options.batches.max_batch = backend->limits().slot_count;
        options.batches.queue_capacity = kUnderWayMax;
        const auto tokenizer = std::make_shared<ByteTokenizer>(backend->model().vocabulary_size);
        return need(Engine::open(std::move(backend), tokenizer, options));
    }

    const std::shared_ptr<ring::Waker> waker_ = std::make_shared<ring::Waker>();
    Stage stage_;
    StageLinks links_;
    RequestId pushed_ = 0;
    RequestId answered_ = 0;
};

}  // namespace casc::gpu
