#include <casc/types/error.hpp>

#include <algorithm>
#include <array>

namespace casc {
namespace {

constexpr std::array kTable{ErrorInfo{ErrorCode::ok, "OK", false, "no error"},
#define CASC_X(identifier, number, name, retry, sentence) \
    ErrorInfo{ErrorCode::identifier, name, retry, sentence},
                            CASC_ERROR_CODES(CASC_X)
#undef CASC_X
};

static_assert(std::is_sorted(kTable.begin(), kTable.end(),
                             [](const ErrorInfo& a, const ErrorInfo& b) {
                                 return a.code < b.code;
                             }),
              "the lookup below is a binary search");

}  // namespace

ErrorInfo error_info(ErrorCode code) noexcept {
    const auto row =
        std::lower_bound(kTable.begin(), kTable.end(), code,
                         [](const ErrorInfo& info, ErrorCode c) { return info.code < c; });
    if (row != kTable.end() && row->code == code) return *row;
    return ErrorInfo{code, "INTERNAL_ERROR", true,
                     "an error number that this version of casc does not know"};
}

std::string Error::message() const {
    const ErrorInfo info = error_info(code);
    std::string text{info.name};
    text += " (" + std::to_string(static_cast<unsigned>(code)) + "): ";
    text += info.sentence;
    if (!detail.empty()) text += ": " + detail;
    return text;
}

}  // namespace casc
