#include "reader_thread.hpp"

#include <casc/types/assert.hpp>

#include <pthread.h>

namespace casc::storage {

ReaderThread::ReaderThread(const Rocks& rocks, const SliceSet& slices, SizedPools& answers,
                           std::shared_ptr<ring::Waker> shard)
    : reader_(rocks, slices, answers),
      waker_(std::make_shared<ring::Waker>()),
      orders_(ring::make_ring<ReadOrder>(kOrdersMax, waker_)),
      answers_(ring::make_ring<ReadAnswer>(2 * kOrdersMax, std::move(shard))),
      thread_([this] { run(); }) {}

ReaderThread::~ReaderThread() {
    orders_.producer.close();
    thread_.join();
}

void ReaderThread::run() {
    pthread_setname_np(pthread_self(), "casc-reader");
    auto& orders = orders_.consumer;
    const auto obey = [this](ReadOrder&& order) {
        if (order.kind == ReadOrder::Kind::forget) return reader_.forget_dropped();
        const bool told = answers_.producer.try_push(
            ReadAnswer{order.request.token, reader_.read(order.request)});
        CASC_ASSERT(told || answers_.producer.state() == ring::RingState::closed,
                    order.request.token);
    };
    while (orders.state() != ring::RingState::closed) {
        if (orders.drain(obey, 1) == 0 && !reader_.prepare())
            waker_->wait([&] { return orders.ready(); });
    }
}

}  // namespace casc::storage
