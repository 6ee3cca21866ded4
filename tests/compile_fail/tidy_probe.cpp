// Trips every check that .clang-tidy lists under WarningsAsErrors; ./dev tidy refuses to run when
// one stays silent. Never compiled into anything.
#include <mutex>
#include <string>
#include <utility>

namespace std {  // cert-dcl58-cpp: the standard namespace is not ours
int ours() {
    return 1;
}
}  // namespace std

namespace casc::probe {

struct BadlyNamed_type {};  // readability-identifier-naming

struct Base {
    virtual ~Base() = default;
    virtual int number() const { return 1; }
    int kept = 0;
};
struct Derived : Base {
    virtual int number() const { return 2; }  // modernize-use-override
    int lost = 0;
};

Base sliced(const Derived& derived) {
    return derived;
}  // cppcoreguidelines-slicing

std::size_t used_after_move(std::string text) {
    const std::string taken = std::move(text);
    return taken.size() + text.size();  // bugprone-use-after-move
}

int lock_for_no_time(std::mutex& mutex, int guarded) {
    std::lock_guard<std::mutex>{mutex};  // bugprone-unused-raii
    return guarded;
}

int never_ends(int limit) {
    int count = 0;
    int other = 0;
    while (count < limit) {  // bugprone-infinite-loop
        ++other;
    }
    return other;
}

bool confused_size(const char* text) {
    return sizeof(text) == sizeof(sizeof(int));
}  // bugprone-sizeof-expression

int moved_for_nothing(int number) {
    const std::string fixed = "fixed";
    const std::string copy = std::move(fixed);  // performance-move-const-arg
    return number + static_cast<int>(copy.size());
}

}  // namespace casc::probe
