#pragma once
// Threads that do one run together, and the first exception of them.
//
// Thread:   the one that made it; the work runs on others.
// Lifetime: what the work refers to must outlive join().

#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace casc::bench::compare {

class Crew {
public:
    Crew() = default;
    ~Crew() { join(); }
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    template <class Work>
    void start(Work&& work) {
        threads_.emplace_back([this, work = std::forward<Work>(work)] {
            try {
                work();
            } catch (...) {
                const std::lock_guard lock(mutex_);
                if (!first_) first_ = std::current_exception();
            }
        });
    }
    // Returns when each has done its work or has failed.
    void join() {
        for (std::thread& thread : threads_)
            thread.join();
        threads_.clear();
    }
    // After join().
    [[nodiscard]] bool has_failed() const { return first_ != nullptr; }
    void rethrow() const {
        if (first_) std::rethrow_exception(first_);
    }

private:
    std::mutex mutex_;  // cold: only when something fails
    std::exception_ptr first_;
    std::vector<std::thread> threads_;
};

}  // namespace casc::bench::compare
