// What a device's steps are held against. The emulated one takes 2 ms for a product computed in its
// fastest way, and 3 ms for one that is not.

#include "cuda_fixture.hpp"

using namespace casc;
using namespace casc::gpu;

TEST_CASE(
    "emulated/device_speed: two operations for each product of two numbers, the fastest way") {
    for (const ElementType type :
         {ElementType::bf16, ElementType::f16, ElementType::f32, ElementType::f8_e4m3}) {
        CAPTURE(to_string(type));
        emulated_cuda::reset();
        const auto speed = CudaBackend::measure_products(0, type, 32);
        REQUIRE(speed);
        CHECK(*speed == doctest::Approx(2.0 * 32 * 32 * 32 / 2e-3));
    }
}

TEST_CASE("emulated/device_speed: whatever call fails, nothing is left behind") {
    const auto measure = [](bool is_of_products) {
        return is_of_products ? CudaBackend::measure_products(0, ElementType::bf16, 16).has_value()
                              : CudaBackend::measure_bandwidth(0).has_value();
    };
    for (const bool is_of_products : {true, false}) {
        CAPTURE(is_of_products);
        emulated_cuda::reset(std::size_t{64} << 20);
        const auto before = emulated_cuda::counts();
        REQUIRE(measure(is_of_products));
        const std::uint64_t calls = emulated_cuda::counts().calls - before.calls;
        std::uint64_t survived = 0;
        for (std::uint64_t at = 0; at < calls; ++at) {
            CAPTURE(at);
            emulated_cuda::fail_after(at, cudaErrorIllegalAddress, false);
            if (measure(is_of_products)) ++survived;
            emulated_cuda::stop_failing();
            CHECK(emulated_cuda::counts().allocations == before.allocations);
            CHECK(emulated_cuda::counts().handles == before.handles);
        }
        // A way to multiply that does not work is one that is not taken.
        CHECK(survived <= (is_of_products ? calls / 2 : 0));
    }
}
