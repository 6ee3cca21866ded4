#pragma once
// A move-only std::function whose closure lies inside it, so that making and moving one allocates
// nothing. Closures that are too large go to the heap; what is on the hot path says
// static_assert(InlineCallback<...>::fits<Closure>).

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace casc::broker {

// Thread: one at a time.
template <std::size_t Bytes, class... Arguments>
class InlineCallback {
public:
    template <class Closure>
    static constexpr bool fits = sizeof(Closure) <= Bytes &&
                                 alignof(Closure) <= alignof(std::max_align_t) &&
                                 std::is_nothrow_move_constructible_v<Closure>;

    InlineCallback() = default;
    template <class Closure>
    requires(!std::is_same_v<std::decay_t<Closure>, InlineCallback>)
        InlineCallback(Closure&& closure) {  // NOLINT: converts, as std::function does
        using Kept = std::decay_t<Closure>;
        if constexpr (fits<Kept>) {
            ::new (static_cast<void*>(room_)) Kept(std::forward<Closure>(closure));
            table_ = &kTable<Kept>;
        } else {
            auto boxed = [kept = std::make_unique<Kept>(std::forward<Closure>(closure))](
                             Arguments... arguments) { (*kept)(arguments...); };
            ::new (static_cast<void*>(room_)) decltype(boxed)(std::move(boxed));
            table_ = &kTable<decltype(boxed)>;
        }
    }
    InlineCallback(InlineCallback&& other) noexcept : table_(std::exchange(other.table_, nullptr)) {
        if (table_ != nullptr) table_->move(room_, other.room_);
    }
    InlineCallback& operator=(InlineCallback&& other) noexcept {
        if (this == &other) return *this;
        reset();
        table_ = std::exchange(other.table_, nullptr);
        if (table_ != nullptr) table_->move(room_, other.room_);
        return *this;
    }
    ~InlineCallback() { reset(); }

    void operator()(Arguments... arguments) { table_->call(room_, arguments...); }

private:
    struct Table {
        void (*call)(void* closure, Arguments...);
        void (*move)(void* into, void* from) noexcept;  // and destroys what is left in `from`
        void (*destroy)(void* closure) noexcept;
    };
    template <class Kept>
    static constexpr Table kTable{
        [](void* closure, Arguments... arguments) { (*static_cast<Kept*>(closure))(arguments...); },
        [](void* into, void* from) noexcept {
            ::new (into) Kept(std::move(*static_cast<Kept*>(from)));
            static_cast<Kept*>(from)->~Kept();
        },
        [](void* closure) noexcept { static_cast<Kept*>(closure)->~Kept(); }};

    void reset() noexcept {
        if (table_ != nullptr) std::exchange(table_, nullptr)->destroy(room_);
    }

    const Table* table_ = nullptr;
    alignas(std::max_align_t) std::byte room_[Bytes];
};

}  // namespace casc::broker
