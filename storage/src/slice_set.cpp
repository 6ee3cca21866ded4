#include "slice_set.hpp"

#include <casc/types/fail_point.hpp>

#include <cinttypes>
#include <cstdio>

namespace casc::storage {

namespace {

constexpr std::int64_t kMinuteNs = 60'000'000'000;

std::string slice_name(SliceId id, EpochNanos created) {
    char name[64];
    std::snprintf(name, sizeof name, "slice-%u-%08" PRIu32 "-%016" PRIx64,
                  static_cast<unsigned>(id.retention), id.number,
                  static_cast<std::uint64_t>(created.value()));
    return name;
}

bool parse_slice_name(const std::string& name, SliceId& id, EpochNanos& created) {
    unsigned retention = 0;
    std::uint32_t number = 0;
    std::uint64_t created_ns = 0;
    if (std::sscanf(name.c_str(), "slice-%u-%08" SCNu32 "-%016" SCNx64, &retention, &number,
                    &created_ns) != 3)
        return false;
    if (retention >= kRetentionClassCount) return false;
    id = {static_cast<RetentionClass>(retention), number};
    created = EpochNanos(static_cast<std::int64_t>(created_ns));
    return slice_name(id, created) == name;
}

}  // namespace

std::int64_t slice_span_ns(RetentionClass retention) {
    switch (retention) {
        case RetentionClass::hour:
            return 5 * kMinuteNs;
        case RetentionClass::day:
            return 60 * kMinuteNs;
        case RetentionClass::week:
            return 6 * 60 * kMinuteNs;
        case RetentionClass::month:
            return 24 * 60 * kMinuteNs;
        case RetentionClass::unlimited:
        case RetentionClass::compacted:
            return 0;
    }
    return 0;
}

std::uint64_t Slice::file_bytes() const {
    std::uint64_t bytes = 0;
    rocks_.db().GetIntProperty(handle, rocksdb::DB::Properties::kLiveSstFilesSize, &bytes);
    return bytes;
}

std::string Slice::file_names() const {
    constexpr std::size_t names_max = 32;
    rocksdb::ColumnFamilyMetaData family;
    rocks_.db().GetColumnFamilyMetaData(handle, &family);
    std::string names;
    std::size_t count = 0;
    for (const auto& level : family.levels) {
        for (const auto& file : level.files) {
            if (++count > names_max) return names + " and more";
            if (!names.empty()) names += ", ";
            names += file.name.substr(file.name.find_first_not_of('/'));
        }
    }
    return names;
}

Result<std::unique_ptr<SliceSet>> SliceSet::adopt(Rocks& rocks, std::vector<Rocks::Opened> opened) {
    auto set = std::make_unique<SliceSet>(rocks);
    std::optional<Error> bad;
    for (const auto& [name, handle] : opened) {
        SliceId id;
        EpochNanos created;
        if (!parse_slice_name(name, id, created)) {
            rocks.db().DestroyColumnFamilyHandle(handle);
            bad =
                Error(ErrorCode::data_corrupt, "column family '" + name + "' is not one of casc's");
            continue;
        }
        const auto index = static_cast<std::size_t>(id.retention);
        set->slices_[index][id.number] = std::make_shared<Slice>(rocks, handle, id, created);
        set->next_number_[index] = std::max(set->next_number_[index], id.number + 1);
    }
    if (bad) return *bad;
    return set;
}

SliceRef SliceSet::find(SliceId id) const {
    const std::lock_guard lock(mutex_);
    const auto at = of(id.retention).find(id.number);
    return at == of(id.retention).end() ? nullptr : at->second;
}

std::vector<SliceRef> SliceSet::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<SliceRef> found;
    for (const auto& numbered : slices_) {
        for (const auto& [number, slice] : numbered)
            found.push_back(slice);
    }
    return found;
}

SliceRef SliceSet::current(RetentionClass retention) const {
    const std::lock_guard lock(mutex_);
    return of(retention).empty() ? nullptr : of(retention).rbegin()->second;
}

Result<SliceRef> SliceSet::create(RetentionClass retention, EpochNanos now) {
    const auto index = static_cast<std::size_t>(retention);
    const SliceId id{retention, next_number_[index]};
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    CASC_TRY_ROCKS(
        rocks_.db().CreateColumnFamily(rocks_.slice_options(), slice_name(id, now), &handle),
        "creating a slice");
    CASC_FAIL_POINT("slice.roll");
    auto slice = std::make_shared<Slice>(rocks_, handle, id, now);
    const std::lock_guard lock(mutex_);
    slices_[index][id.number] = slice;
    ++next_number_[index];
    return slice;
}

Result<void> SliceSet::drop(const SliceRef& slice) {
    CASC_TRY_ROCKS(rocks_.db().DropColumnFamily(slice->handle), "dropping a slice");
    const std::lock_guard lock(mutex_);
    slices_[static_cast<std::size_t>(slice->id.retention)].erase(slice->id.number);
    return {};
}

std::size_t SliceSet::count() const {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& numbered : slices_)
        count += numbered.size();
    return count;
}

}  // namespace casc::storage
