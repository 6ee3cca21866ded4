#pragma once
// Texts as exec() takes them. Thread: any.

#include <string>
#include <vector>

namespace casc::bench {

// With a null pointer at the end; `texts` must outlive them.
inline std::vector<char*> c_strings(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts)
        all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

}  // namespace casc::bench
