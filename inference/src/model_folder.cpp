#include <casc/gpu/model_weights.hpp>
#include <casc/gpu/open_backend.hpp>
#include <casc/gpu/tokenizer.hpp>
#include <casc/gpu/tokenizer_check.hpp>
#include <casc/inference/model_folder.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <tuple>

namespace casc::inference {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSettingsFile = "casc-model.toml";
constexpr std::uintmax_t kSettingsBytesMax = 1 << 20;

// One step down, and never up or to the side.
bool is_plain_name(std::string_view name) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= 200 && name.front() != '.' &&
           std::ranges::all_of(name, is_plain);
}

std::vector<std::string> folders_in(const fs::path& path) {
    std::vector<std::string> names;
    std::error_code gone;
    for (auto at = fs::directory_iterator(path, gone); !gone && at != fs::directory_iterator();
         at.increment(gone)) {
        std::error_code unknown;
        std::string name = at->path().filename().string();
        if (at->is_directory(unknown) && is_plain_name(name)) names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    return names;
}

// "10" is newer than "9", and "v2" newer than both.
auto age_of(const std::string& version) {
    std::uint64_t number = 0;
    const char* const end = version.data() + version.size();
    const auto [rest, error] = std::from_chars(version.data(), end, number);
    const bool is_number = error == std::errc() && rest == end;
    return std::tuple(!is_number, is_number ? number : 0, version);
}

Result<ModelSettings> read_settings(const fs::path& folder) {
    const fs::path path = folder / kSettingsFile;
    std::error_code trouble;
    if (fs::symlink_status(path, trouble).type() == fs::file_type::not_found)
        return ModelSettings{};
    const std::uintmax_t bytes = fs::file_size(path, trouble);
    if (trouble) return Error(ErrorCode::invalid_config, path.string() + ": " + trouble.message());
    if (bytes > kSettingsBytesMax)
        return Error(ErrorCode::invalid_config, path.string() + " is larger than a MiB");
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in) return Error(ErrorCode::invalid_config, path.string() + " cannot be read");
    return parse_settings(text, path.string());
}

Result<std::unique_ptr<gpu::Backend>> open_backend(gpu::ModelWeights weights,
                                                   const ModelSettings& settings) {
    const auto context = static_cast<std::uint32_t>(weights.config().context_tokens);
    gpu::BackendOptions options;
    options.threads = settings.threads;
    options.device = static_cast<int>(settings.device);
    options.slot_count = static_cast<std::uint32_t>(settings.batches.max_batch);
    options.context_tokens =
        settings.context_tokens == 0 ? context : std::min(settings.context_tokens, context);
    options.memory_max_bytes = settings.memory_max_bytes;
    // The settings were checked: it is one of them.
    return gpu::open_backend(gpu::backend_choice_of(settings.backend).value(), std::move(weights),
                             options);
}

Result<void> warm_up(gpu::Backend& backend) {
    constexpr std::array<gpu::TokenId, 1> kToken{0};
    const gpu::SequenceStep step{.slot = 0,
                                 .position = 0,
                                 .tokens = kToken,
                                 .wanted = gpu::Wanted::logits,
                                 .sampling = {},
                                 .draw = 0};
    gpu::StepOutput output;
    CASC_TRY_VOID(backend.step(std::span(&step, 1), output));
    if (output.rows.at(0).failed)
        return Error(*output.rows[0].failed, "in the step that warms the model up");
    return {};
}

}  // namespace

std::vector<std::string> ModelFolder::names() const {
    return folders_in(path_);
}

std::vector<std::string> ModelFolder::versions(std::string_view name) const {
    if (!is_plain_name(name)) return {};
    auto versions = folders_in(path_ / name);
    std::ranges::sort(versions, {}, age_of);
    return versions;
}

Result<fs::path> ModelFolder::find(std::string_view name, std::string_view version) const {
    const auto all = versions(name);
    if (all.empty())
        return Error(ErrorCode::model_not_found,
                     "there is no model '" + std::string(name) + "' in " + path_.string());
    if (version.empty()) return path_ / name / all.back();
    if (std::ranges::find(all, version) == all.end())
        return Error(ErrorCode::model_not_found, "'" + std::string(name) + "' has no version '" +
                                                     std::string(version) + "'; the newest is '" +
                                                     all.back() + "'");
    return path_ / name / version;
}

Result<OpenedModel> open_model(const fs::path& folder) {
    OpenedModel model;
    CASC_TRY(model.settings, read_settings(folder));
    CASC_TRY(auto weights, gpu::ModelWeights::open(folder));
    CASC_TRY(const auto tokenizer, gpu::open_tokenizer(folder));
    CASC_TRY_VOID(gpu::check_tokenizer(*tokenizer, weights.config()));
    model.memory_bytes = weights.bytes();
    CASC_TRY(auto backend, open_backend(std::move(weights), model.settings));
    CASC_TRY_VOID(warm_up(*backend));
    gpu::EngineOptions options;
    options.batches = model.settings.batches;
    options.prompt_tokens_per_step = model.settings.prompt_tokens_per_step;
    CASC_TRY(model.engine, gpu::Engine::open(std::move(backend), tokenizer, options));
    return model;
}

}  // namespace casc::inference
