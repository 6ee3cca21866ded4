#pragma once
// Who should own which partition: everything that can stay stays, and nobody has two more than
// somebody else who could take one.

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace casc::broker {

// One computation. Members are numbers from 0; partitions are handles of the caller. Partitions
// that the same members may have form a class, so that a hundred thousand topics with the same
// readers cost no more than one large topic.
//
//   const auto orders = balance.add_class({0, 1});
//   balance.keep(0, orders, 17);  balance.open(orders, 18);
//   balance.run();                                             // balance.owned(1, orders) == {18}
//
// Thread: one at a time.
class GroupBalance {
public:
    explicit GroupBalance(std::size_t members)
        : owned_(members), load_(members, 0), classes_of_(members) {}

    // The members that may have the partitions of this class; at least one. Before any keep() or
    // open().
    [[nodiscard]] std::size_t add_class(const std::vector<std::size_t>& members);
    // `member` has the partition now. Those added last are the first to go when it has too many.
    void keep(std::size_t member, std::size_t of_class, std::uint64_t partition);
    // Nobody has it, or somebody who may not.
    void open(std::size_t of_class, std::uint64_t partition);

    void run();

    [[nodiscard]] const std::vector<std::uint64_t>& owned(std::size_t member,
                                                          std::size_t of_class) const {
        return owned_[member][of_class];
    }
    [[nodiscard]] std::size_t classes() const noexcept { return by_load_.size(); }

private:
    [[nodiscard]] std::size_t least_loaded(std::size_t of_class) const {
        return by_load_[of_class].begin()->second;
    }
    void change_load(std::size_t member, std::ptrdiff_t by);
    // Gives one of `member`'s partitions to somebody with at least two less. False: nobody is.
    bool give_one(std::size_t member);

    std::vector<std::vector<std::vector<std::uint64_t>>> owned_;          // [member][class]
    std::vector<std::size_t> load_;                                       // [member]
    std::vector<std::vector<std::size_t>> classes_of_;                    // [member]
    std::vector<std::set<std::pair<std::size_t, std::size_t>>> by_load_;  // [class]: (load, member)
    std::vector<std::vector<std::uint64_t>> open_;                        // [class]
};

}  // namespace casc::broker
