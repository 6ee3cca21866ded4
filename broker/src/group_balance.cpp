#include "group_balance.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace casc::broker {

std::size_t GroupBalance::add_class(const std::vector<std::size_t>& members) {
    const std::size_t number = by_load_.size();
    by_load_.emplace_back();
    open_.emplace_back();
    for (auto& of_member : owned_)
        of_member.emplace_back();
    for (const std::size_t member : members) {
        by_load_.back().emplace(load_[member], member);
        classes_of_[member].push_back(number);
    }
    return number;
}

void GroupBalance::keep(std::size_t member, std::size_t of_class, std::uint64_t partition) {
    owned_[member][of_class].push_back(partition);
    change_load(member, 1);
}

void GroupBalance::open(std::size_t of_class, std::uint64_t partition) {
    open_[of_class].push_back(partition);
}

void GroupBalance::change_load(std::size_t member, std::ptrdiff_t by) {
    for (const std::size_t of_class : classes_of_[member])
        by_load_[of_class].erase({load_[member], member});
    load_[member] = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(load_[member]) + by);
    for (const std::size_t of_class : classes_of_[member])
        by_load_[of_class].emplace(load_[member], member);
}

bool GroupBalance::give_one(std::size_t member) {
    for (const std::size_t of_class : classes_of_[member]) {
        auto& mine = owned_[member][of_class];
        if (mine.empty()) continue;
        const std::size_t to = least_loaded(of_class);
        if (load_[to] + 1 >= load_[member]) continue;
        owned_[to][of_class].push_back(mine.back());
        mine.pop_back();
        change_load(member, -1);
        change_load(to, 1);
        return true;
    }
    return false;
}

void GroupBalance::run() {
    for (std::size_t of_class = 0; of_class < open_.size(); ++of_class)
        for (const std::uint64_t partition : std::exchange(open_[of_class], {}))
            keep(least_loaded(of_class), of_class, partition);
    // Each gift makes the sum of the squares of the loads smaller, so this ends. Giving can make
    // room for others to give, so it ends only when a whole round gave nothing.
    for (bool gave = true; gave;) {
        gave = false;
        std::vector<std::size_t> order(load_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](auto a, auto b) { return load_[a] > load_[b]; });
        for (const std::size_t member : order)
            while (give_one(member))
                gave = true;
    }
}

}  // namespace casc::broker
