#pragma once
// A queue in which everything stands once, however often it is put in.

#include <casc/types/assert.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <cstddef>
#include <deque>
#include <functional>

namespace casc::broker {

// Thread: one at a time.
template <class T>
class UniqueQueue {
public:
    // To the end, unless it stands somewhere already.
    void push(T value) {
        if (standing_.insert(value).second) queue_.push_back(value);
    }
    // The first one; there must be one.
    T pop() {
        CASC_ASSERT(!queue_.empty());
        const T first = queue_.front();
        queue_.pop_front();
        standing_.erase(first);
        return first;
    }
    [[nodiscard]] bool empty() const noexcept { return queue_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }

private:
    std::deque<T> queue_;
    boost::unordered_flat_set<T, std::hash<T>> standing_;
};

}  // namespace casc::broker
