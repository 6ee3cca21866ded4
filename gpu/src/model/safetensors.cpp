#include "model/json.hpp"

#include <casc/gpu/safetensors.hpp>
#include <casc/types/cut_text.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>

namespace casc::gpu {
namespace {

// As the format has it: whoever needs more describes no model.
constexpr std::uint64_t kHeaderBytesMax = 100'000'000;
constexpr std::size_t kDimensionsMax = 8;
constexpr std::uint64_t kIndexBytesMax = 100'000'000;
constexpr std::size_t kNameBytesMax = 200;  // in an error

Error refuse(const std::string& why) {
    return Error(ErrorCode::model_unusable, why);
}

Error refuse(std::string_view tensor, const std::string& why) {
    return refuse("tensor '" + std::string(cut_text(tensor, kNameBytesMax)) + "' " + why);
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Nothing, when it does not fit 64 bits.
std::optional<std::uint64_t> times(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
    return product;
}

// Where a tensor's numbers lie, behind the header.
struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

Result<std::vector<std::uint64_t>> read_shape(std::string_view name, const Json& described) {
    const Json* const shape = described.find("shape");
    if (shape == nullptr || shape->as_array() == nullptr) return refuse(name, "has no shape");
    if (shape->as_array()->size() > kDimensionsMax) return refuse(name, "has too many dimensions");
    std::vector<std::uint64_t> dimensions;
    for (const Json& item : *shape->as_array()) {
        const auto dimension = item.as_count();
        if (!dimension) return refuse(name, "has a shape that is not of whole numbers");
        dimensions.push_back(*dimension);
    }
    return dimensions;
}

Result<Extent> read_extent(std::string_view name, const Json& described) {
    const Json* const offsets = described.find("data_offsets");
    const Json::Array* const pair = offsets == nullptr ? nullptr : offsets->as_array();
    if (pair == nullptr || pair->size() != 2 || !(*pair)[0].as_count() || !(*pair)[1].as_count())
        return refuse(name, "has no data_offsets");
    return Extent{*(*pair)[0].as_count(), *(*pair)[1].as_count()};
}

Result<Tensor> read_tensor(std::string_view name, const Json& described,
                           std::span<const std::byte> data) {
    const Json* const type = described.find("dtype");
    if (type == nullptr || type->as_text() == nullptr) return refuse(name, "has no dtype");
    const auto element = element_type_of(*type->as_text());
    if (!element)
        return refuse(name, "is of numbers of an unknown kind: " +
                                std::string(cut_text(*type->as_text(), kNameBytesMax)));
    Tensor tensor{.name = std::string(name), .type = *element, .shape = {}, .bytes = {}};
    CASC_TRY(tensor.shape, read_shape(name, described));
    CASC_TRY(const Extent extent, read_extent(name, described));
    std::optional<std::uint64_t> bytes = element_bytes(*element);
    for (const std::uint64_t dimension : tensor.shape)
        bytes = bytes ? times(*bytes, dimension) : bytes;
    if (extent.begin > extent.end || extent.end > data.size())
        return refuse(name, "lies outside of the file, which may have been cut");
    if (!bytes || *bytes != extent.end - extent.begin)
        return refuse(name,
                      "does not have the bytes that its shape asks for: " + tensor.description() +
                          " in " + std::to_string(extent.end - extent.begin) + " bytes");
    tensor.bytes = data.subspan(extent.begin, extent.end - extent.begin);
    return tensor;
}

// One behind the other, from the first byte to the last.
Result<void> check_no_gaps(const std::vector<Tensor>& tensors, std::span<const std::byte> data) {
    std::vector<const Tensor*> by_place;
    for (const Tensor& tensor : tensors)
        by_place.push_back(&tensor);
    const auto place = [&](const Tensor* tensor) {
        // An empty one is before the one that begins where it does.
        return std::pair(tensor->bytes.data(), tensor->bytes.size());
    };
    std::ranges::sort(by_place, {}, place);
    const std::byte* end = data.data();
    for (const Tensor* tensor : by_place) {
        if (tensor->bytes.data() < end) return refuse(tensor->name, "overlaps with another one");
        if (tensor->bytes.data() > end) return refuse(tensor->name, "has a gap before it");
        end += tensor->bytes.size();
    }
    if (end != data.data() + data.size())
        return refuse("there is something behind the last tensor");
    return {};
}

}  // namespace

Result<std::vector<Tensor>> read_safetensors(std::span<const std::byte> file) {
    std::uint64_t header_bytes = 0;
    if (file.size() < sizeof header_bytes) return refuse("the file is too short for its header");
    std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
    if (header_bytes > kHeaderBytesMax) return refuse("the header has more than 100 MB");
    if (header_bytes > file.size() - sizeof header_bytes)
        return refuse("the file ends inside of its header");
    const auto header = file.subspan(sizeof header_bytes, header_bytes);
    const auto data = file.subspan(sizeof header_bytes + header_bytes);
    CASC_TRY(const Json described, Json::parse(text_of(header)));
    if (described.as_object() == nullptr) return refuse("the header is no JSON object");
    std::vector<Tensor> tensors;
    for (const auto& [name, member] : *described.as_object()) {
        if (name == "__metadata__") continue;
        CASC_TRY(Tensor tensor, read_tensor(name, member, data));
        tensors.push_back(std::move(tensor));
    }
    CASC_TRY_VOID(check_no_gaps(tensors, data));
    std::ranges::sort(tensors, {}, &Tensor::name);
    return tensors;
}

// ---- files --------------------------------------------------------------------------------------

namespace {

// Which file an index expects each tensor in.
Result<std::map<std::string, std::string>> read_index(const std::filesystem::path& path) {
    CASC_TRY(const MappedFile file, MappedFile::open(path));
    if (file.bytes().size() > kIndexBytesMax) return refuse(path.string() + " is too large");
    CASC_TRY(const Json index, Json::parse(text_of(file.bytes())));
    const Json* const map = index.find("weight_map");
    if (map == nullptr || map->as_object() == nullptr)
        return refuse(path.string() + " has no weight_map");
    std::map<std::string, std::string> places;
    for (const auto& [tensor, place] : *map->as_object()) {
        const std::string* const name = place.as_text();
        // A name and no way to somewhere else.
        const bool is_plain = name != nullptr && !name->empty() && !name->starts_with('.') &&
                              name->find('/') == name->npos && name->find('\0') == name->npos;
        if (!is_plain) return refuse(tensor, "is in a file of no proper name");
        places.emplace(tensor, *name);
    }
    return places;
}

Error in_file(const std::filesystem::path& path, const Error& why) {
    return refuse(path.filename().string() + ": " + why.detail);
}

}  // namespace

Result<void> TensorFiles::add(const std::filesystem::path& path) {
    CASC_TRY(MappedFile file, MappedFile::open(path));
    auto tensors = read_safetensors(file.bytes());
    if (!tensors) return in_file(path, tensors.error());
    files_.push_back(std::move(file));
    tensors_.insert(tensors_.end(), std::make_move_iterator(tensors->begin()),
                    std::make_move_iterator(tensors->end()));
    return {};
}

Result<TensorFiles> TensorFiles::open(const std::filesystem::path& folder) {
    TensorFiles files;
    std::error_code ignored;
    const auto index_path = folder / "model.safetensors.index.json";
    if (!std::filesystem::exists(index_path, ignored)) {
        CASC_TRY_VOID(files.add(folder / "model.safetensors"));
        return files;
    }
    // Which of them is meant nobody can say.
    if (std::filesystem::exists(folder / "model.safetensors", ignored))
        return refuse("there are both model.safetensors and an index of several files");
    CASC_TRY(const auto places, read_index(index_path));
    std::set<std::string> names;
    for (const auto& [tensor, name] : places)
        names.insert(name);
    std::map<std::string, std::string> found;
    for (const std::string& name : names) {
        const std::size_t before = files.tensors_.size();
        CASC_TRY_VOID(files.add(folder / name));
        for (std::size_t i = before; i < files.tensors_.size(); ++i)
            if (!found.emplace(files.tensors_[i].name, name).second)
                return refuse(files.tensors_[i].name, "is in two files");
    }
    if (found != places) return refuse("the index names other tensors than its files have");
    std::ranges::sort(files.tensors_, {}, &Tensor::name);
    return files;
}

const Tensor* TensorFiles::find(std::string_view name) const noexcept {
    const auto found = std::ranges::lower_bound(tensors_, name, {}, &Tensor::name);
    return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace casc::gpu
