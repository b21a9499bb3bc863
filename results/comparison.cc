#include "results/comparison.h"

#include <fmt/format.h>

#include <algorithm>

namespace ptq::results {
namespace {

constexpr size_t kShownDigits = 12;

std::string NameOf(const EvaluatedTrial& trial) {
  return fmt::format("trial {} ({} on {}, {} images)", trial.summary.trial_key.substr(0, kShownDigits),
                     trial.summary.method, trial.dataset.name, trial.dataset.image_ids.size());
}

Error OtherImages(const EvaluatedTrial& a, const EvaluatedTrial& b, const std::string& what) {
  return InvalidArgument(fmt::format("{} and {} cannot be compared: {}; take two trials of the same evaluation set",
                                     NameOf(a), NameOf(b), what));
}

ComparedSide SideOf(const EvaluatedTrial& trial, int64_t right) {
  ComparedSide side;
  side.summary = trial.summary;
  side.right = right;
  const auto images = static_cast<int64_t>(trial.predictions.size());
  side.accuracy = static_cast<double>(right) / static_cast<double>(images);
  side.interval = WilsonInterval(right, images);
  return side;
}

}  // namespace

std::vector<bool> RightAnswers(const std::vector<Prediction>& predictions, const std::vector<int64_t>& labels) {
  PTQ_CHECK(predictions.size() == labels.size()) << predictions.size() << " and " << labels.size();
  std::vector<bool> right(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) right[i] = labels[i] >= 0 && predictions[i].top[0] == labels[i];
  return right;
}

Result<EvaluatedTrial> ReadEvaluated(const Store& store, const std::string& trial_key) {
  EvaluatedTrial trial;
  PTQ_ASSIGN_OR_RETURN(std::optional<TrialSummary> summary, store.Find(trial_key));
  if (!summary) return NotFound("no trial with the key '" + trial_key + "' is stored; run its experiment");
  trial.summary = *std::move(summary);
  PTQ_ASSIGN_OR_RETURN(trial.predictions, store.Predictions(trial_key));
  if (trial.predictions.empty()) {
    return InvalidArgument(
        fmt::format("trial {} has no predictions, because it is {}{}{}; compare trials that are done",
                    trial_key.substr(0, kShownDigits), Name(trial.summary.status),
                    trial.summary.reason.empty() ? "" : ": ", trial.summary.reason));
  }
  PTQ_ASSIGN_OR_RETURN(trial.dataset, store.EvaluatedImages(trial_key));
  if (trial.dataset.image_ids.size() != trial.predictions.size()) {
    return Corrupt(fmt::format("trial {} has {} predictions for {} images; `ptqbench verify results` checks the file",
                               trial_key.substr(0, kShownDigits), trial.predictions.size(),
                               trial.dataset.image_ids.size()));
  }
  return trial;
}

Status CheckSameImages(const EvaluatedTrial& a, const EvaluatedTrial& b) {
  const DatasetRecord &of_a = a.dataset, &of_b = b.dataset;
  const size_t images = of_a.image_ids.size();
  if (images != of_b.image_ids.size()) return OtherImages(a, b, "they were evaluated on different numbers of images");
  if (of_a.manifest_sha256 != of_b.manifest_sha256) {
    return OtherImages(a, b, "they were evaluated on different images, or on other versions of them");
  }
  for (size_t i = 0; i < images; ++i) {
    if (of_a.image_ids[i] != of_b.image_ids[i]) {
      return OtherImages(
          a, b, fmt::format("image {} is {} for one and {} for the other", i, of_a.image_ids[i], of_b.image_ids[i]));
    }
    if (of_a.labels[i] != of_b.labels[i]) {
      return OtherImages(a, b,
                         fmt::format("image {} has the label {} for one and {} for the other", of_a.image_ids[i],
                                     of_a.labels[i], of_b.labels[i]));
    }
  }
  return OkStatus();
}

Result<Comparison> Compare(const EvaluatedTrial& a, const EvaluatedTrial& b) {
  PTQ_RETURN_IF_ERROR(CheckSameImages(a, b));
  Comparison comparison;
  comparison.dataset = a.dataset.name;
  comparison.manifest_sha256 = a.dataset.manifest_sha256;
  comparison.counts = CountPairs(a.right(), b.right());
  comparison.a = SideOf(a, comparison.counts.right_a());
  comparison.b = SideOf(b, comparison.counts.right_b());
  comparison.difference = Difference(comparison.counts);
  comparison.difference_interval = PairedDifferenceInterval(comparison.counts);
  comparison.p_value = McNemarExact(comparison.counts.only_a, comparison.counts.only_b);
  int64_t same = 0;
  for (size_t i = 0; i < a.predictions.size(); ++i) same += a.predictions[i].top[0] == b.predictions[i].top[0] ? 1 : 0;
  comparison.same_answer = static_cast<double>(same) / static_cast<double>(a.predictions.size());
  return comparison;
}

MethodOutcomes OutcomesOf(const std::vector<EvaluatedTrial>& trials) {
  MethodOutcomes outcomes;
  for (const EvaluatedTrial& trial : trials) outcomes.push_back({trial.summary.seed, trial.right()});
  return outcomes;
}

}  // namespace ptq::results
