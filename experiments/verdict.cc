#include "experiments/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace ptq::experiments {
namespace {

constexpr double kHalfLastDigit = 0.00005;  // of a published percentage with two decimals
constexpr size_t kShownDigits = 12;

bool IsDone(const results::TrialSummary& trial) { return trial.status == results::TrialStatus::kDone; }

// The same model, method and widths, on whatever images.
const results::PublishedRow* OnOtherImages(const results::TableRow& row,
                                           const std::vector<results::PublishedRow>& published,
                                           const std::string& name) {
  const auto found = std::find_if(published.begin(), published.end(), [&](const results::PublishedRow& value) {
    return results::IsPrintable(value) && value.model == row.model && value.method == name &&
           value.w_bits == row.w_bits && value.a_bits == row.a_bits && value.mixed == row.mixed;
  });
  return found == published.end() ? nullptr : &*found;
}

// Why the row is not what the paper measured; empty where hashes say that it is.
std::string Obstacle(const data::ModelEntry& model, const data::DatasetEntry& dataset, const results::TableRow& row) {
  if (!row.warning.empty()) {
    return "float32 itself is off its reference here";
  }
  if (model.sha256.empty()) {
    return fmt::format("no hash of the weights of {} is declared, so nobody can tell whether they are the paper's",
                       model.title);
  }
  if (dataset.manifest_sha256.empty()) {
    return fmt::format("no manifest hash of {} is declared, so nobody can tell whether the images are the paper's",
                       dataset.name);
  }
  for (const results::TrialSummary& trial : row.trials) {
    if (!IsDone(trial)) {
      continue;
    }
    if (!data::AcceptsSha256(model, trial.weights_sha256)) {
      return fmt::format("the weights ({}...) are not those declared for {}",
                         trial.weights_sha256.substr(0, kShownDigits), model.title);
    }
    if (trial.dataset_manifest_sha256 != dataset.manifest_sha256) {
      return fmt::format("the images (manifest {}...) are not those declared for {}",
                         trial.dataset_manifest_sha256.substr(0, kShownDigits), dataset.name);
    }
  }
  return "";
}

}  // namespace

void Judge(const data::ModelEntry& model, const data::DatasetEntry& dataset,
           const std::vector<results::PublishedRow>& published, const std::string& name, results::TableRow& row) {
  if (!row.interval || std::none_of(row.trials.begin(), row.trials.end(), IsDone)) {
    return;
  }
  if (!row.published || !results::IsPrintable(*row.published)) {
    if (const results::PublishedRow* other = OnOtherImages(row, published, name)) {
      row.verdict = "not comparable";
      row.verdict_reason = fmt::format("published on {}; {} are other images", other->dataset, row.dataset);
    }
    return;
  }
  row.verdict_reason = Obstacle(model, dataset, row);
  if (!row.verdict_reason.empty()) {
    row.verdict = "not comparable";
    return;
  }
  const double value = row.published->top1_percent / 100;
  const results::Interval& ours = *row.interval;
  row.verdict = ours.low > value + kHalfLastDigit ? "higher" : ours.high < value - kHalfLastDigit ? "lower" : "agrees";
  row.verdict_reason = fmt::format("{} {:.2f} lies {} our 95 % interval [{:.2f}, {:.2f}]", row.published->source,
                                   row.published->top1_percent,
                                   row.verdict == "agrees"   ? "in"
                                   : row.verdict == "higher" ? "below"
                                                             : "above",
                                   100 * ours.low, 100 * ours.high);
}

}  // namespace ptq::experiments
