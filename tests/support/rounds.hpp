#pragma once
// How often a test does what it does with other random numbers.

namespace casc::test {

// Under the thread sanitizer, where it takes ten times as long, a quarter of `all`, when the rounds
// differ by what the disk does and not by what threads do. The other builds do all of them.
constexpr int rounds_of_disk_faults(int all) {
#ifdef __SANITIZE_THREAD__
    return (all + 3) / 4;
#else
    return all;
#endif
}

}  // namespace casc::test
