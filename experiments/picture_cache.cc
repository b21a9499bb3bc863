#include "experiments/picture_cache.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "core/base/check.h"

namespace ptq::experiments {

class CroppedDataset final : public data::Dataset {
 public:
  CroppedDataset(const data::Dataset& whole, const data::Preprocessing& preprocessing)
      : whole_(whole), preprocessing_(preprocessing) {
    entry_ = whole.entry();
    samples_ = whole.samples();
  }

  Result<data::Image> Load(int64_t index) const override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto kept = kept_.find(index);
      if (kept != kept_.end()) {
        return kept->second;
      }
    }
    PTQ_ASSIGN_OR_RETURN(const data::Image whole, whole_.Load(index));
    data::Image cropped = data::ResizeAndCrop(whole, preprocessing_);
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto bytes = static_cast<int64_t>(cropped.pixels.size());
    if (kept_bytes_ + bytes <= allowed_bytes_ && kept_.emplace(index, cropped).second) {
      kept_bytes_ += bytes;
    }
    return cropped;
  }

  bool Is(const data::Dataset& whole, const data::Preprocessing& preprocessing) const {
    return &whole_ == &whole && data::ToString(preprocessing_) == data::ToString(preprocessing);
  }
  void Allow(int64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    allowed_bytes_ = bytes;
  }
  int64_t kept_bytes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return kept_bytes_;
  }

 private:
  const data::Dataset& whole_;
  const data::Preprocessing preprocessing_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, data::Image> kept_;
  mutable int64_t kept_bytes_ = 0;
  int64_t allowed_bytes_ = 0;
};

PictureCache::PictureCache(int64_t max_bytes) : max_bytes_(max_bytes) { PTQ_CHECK(max_bytes >= 0) << max_bytes; }
PictureCache::~PictureCache() = default;

int64_t PictureCache::kept_bytes() const {
  int64_t bytes = 0;
  for (const auto& dataset : opened_) {
    bytes += dataset->kept_bytes();
  }
  return bytes;
}

std::shared_ptr<const data::Dataset> PictureCache::Open(const data::Dataset& dataset,
                                                        const data::Preprocessing& preprocessing, int64_t count) {
  const auto known = std::find_if(opened_.begin(), opened_.end(),
                                  [&](const auto& opened) { return opened->Is(dataset, preprocessing); });
  std::shared_ptr<CroppedDataset> wanted =
      known != opened_.end() ? *known : std::make_shared<CroppedDataset>(dataset, preprocessing);
  if (known != opened_.end()) {
    opened_.erase(known);
  }
  opened_.push_back(wanted);
  const int64_t needed = count * 3 * preprocessing.crop * preprocessing.crop;
  const int64_t more = std::max<int64_t>(0, needed - wanted->kept_bytes());
  for (size_t i = 0; i + 1 < opened_.size() && kept_bytes() + more > max_bytes_;) {
    if (opened_[i].use_count() == 1) {
      opened_.erase(opened_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  const int64_t others = kept_bytes() - wanted->kept_bytes();
  const int64_t room = max_bytes_ - others;
  wanted->Allow(needed <= room ? room : 0);
  return wanted;
}

data::Preprocessing AfterCrop(data::Preprocessing preprocessing) {
  preprocessing.resize = 0;
  return preprocessing;
}

}  // namespace ptq::experiments
