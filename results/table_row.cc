#include "results/table_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>

namespace ptq::results {
namespace {

constexpr char kUncommitted[] = "-dirty";  // behind the revision
constexpr char kNoReason[] = "no trial of this row is stored; run its experiment";
constexpr char kNoFloat[] =
    "no float32 trial of the same weights, images and preprocessing is stored; run it to see the change";

std::string OneLine(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) < 0x20 || c == ' ' || c == 0x7f;
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

void AddOnce(const std::string& reason, std::vector<std::string>& reasons) {
  const std::string line = OneLine(reason);
  if (std::find(reasons.begin(), reasons.end(), line) == reasons.end()) reasons.push_back(line);
}

std::optional<double> Mean(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<double> SampleDeviation(const std::vector<double>& values) {
  if (values.size() < 2) return std::nullopt;
  const double mean = *Mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

std::optional<double> AsNumber(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(number)) return std::nullopt;
  return number;
}

// The values of one note over seeds: equal ones once, numbers as "low..high", others side by side.
std::string Join(const std::vector<std::string>& values) {
  std::vector<std::string> distinct;
  for (const std::string& value : values) AddOnce(value, distinct);
  const auto is_number = [](const std::string& value) { return AsNumber(value).has_value(); };
  if (distinct.size() < 2 || !std::all_of(distinct.begin(), distinct.end(), is_number)) {
    return fmt::format("{}", fmt::join(distinct, " / "));
  }
  const auto less = [](const std::string& a, const std::string& b) { return *AsNumber(a) < *AsNumber(b); };
  const auto [low, high] = std::minmax_element(distinct.begin(), distinct.end(), less);
  return *low + ".." + *high;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

void ReducePlans(const std::vector<const TrialSummary*>& done, RowFigures& figures) {
  std::set<std::string> grids;
  std::map<std::string, std::vector<std::string>> notes;
  for (const TrialSummary* trial : done) {
    if (trial->exec_mode != "float32" && figures.grids == RowGrids::kNone) figures.grids = RowGrids::kInteger;
    grids.insert(trial->simulated_only.begin(), trial->simulated_only.end());
    for (const auto& [name, value] : trial->notes) notes[name].push_back(value);
    figures.uncommitted = figures.uncommitted || EndsWith(trial->revision, kUncommitted);
  }
  if (!grids.empty()) figures.grids = RowGrids::kSimulatedOnly;
  const auto ran_integer = [](const TrialSummary* trial) { return trial->exec_mode == "integer"; };
  if (std::all_of(done.begin(), done.end(), ran_integer)) figures.grids = RowGrids::kRanInteger;
  figures.simulated_only.assign(grids.begin(), grids.end());
  for (const auto& [name, values] : notes) figures.notes[name] = Join(values);
}

void ReduceDone(const std::vector<const TrialSummary*>& done, RowFigures& figures) {
  std::vector<double> accuracies, changes, sizes, paper_sizes, seconds;
  figures.min_images = done.front()->images;
  for (const TrialSummary* trial : done) {
    accuracies.push_back(*trial->top1_fraction);
    if (trial->float_top1_fraction.has_value()) changes.push_back(*trial->top1_fraction - *trial->float_top1_fraction);
    if (trial->size_bytes.has_value()) sizes.push_back(*trial->size_bytes);
    if (trial->paper_size_bytes.has_value()) paper_sizes.push_back(*trial->paper_size_bytes);
    if (trial->calibrate_seconds.has_value()) seconds.push_back(*trial->calibrate_seconds);
    figures.min_images = std::min(figures.min_images, trial->images);
    figures.max_images = std::max(figures.max_images, trial->images);
  }
  figures.done = static_cast<int64_t>(done.size());
  figures.measured_fraction = Mean(accuracies);
  figures.measured_sd = SampleDeviation(accuracies);
  figures.size_bytes = Mean(sizes);
  figures.paper_size_bytes = Mean(paper_sizes);
  figures.calibrate_seconds = Mean(seconds);
  // A change over fewer seeds than the mean beside it would not be their difference.
  if (changes.size() == done.size()) figures.change_fraction = Mean(changes);
  if (!figures.change_fraction.has_value()) AddOnce(kNoFloat, figures.caveats);
  figures.collapsed = figures.measured_fraction.has_value() && figures.change_fraction.has_value() &&
                      *figures.measured_fraction < (*figures.measured_fraction - *figures.change_fraction) / 2;
}

}  // namespace

const char* Name(RowStatus status) {
  switch (status) {
    case RowStatus::kMeasured:
      return "measured";
    case RowStatus::kFailed:
      return "failed";
    case RowStatus::kUnsupported:
      return "unsupported";
    case RowStatus::kNotRun:
      return "not_run";
  }
  return "";
}

const char* Name(Standing standing) {
  switch (standing) {
    case Standing::kNone:
      return "";
    case Standing::kTied:
      return "tied";
    case Standing::kBest:
      return "best";
  }
  return "";
}

const char* Name(RowGrids grids) {
  switch (grids) {
    case RowGrids::kNone:
      return "";
    case RowGrids::kInteger:
      return "integer";
    case RowGrids::kSimulatedOnly:
      return "simulated only";
    case RowGrids::kRanInteger:
      return "int8";
  }
  return "";
}

RowFigures Reduce(const TableRow& row) {
  RowFigures figures;
  if (row.published.has_value() && IsPrintable(*row.published)) {
    figures.published_fraction = row.published->top1_percent / 100;
  }
  std::vector<const TrialSummary*> done;
  for (const TrialSummary& trial : row.trials) {
    if (trial.status == TrialStatus::kDone && trial.top1_fraction.has_value()) {
      done.push_back(&trial);
      continue;
    }
    const bool failed = trial.status != TrialStatus::kUnsupported;
    if (failed || figures.status == RowStatus::kNotRun) {
      figures.status = failed ? RowStatus::kFailed : RowStatus::kUnsupported;
    }
    AddOnce(trial.reason.empty() ? "the trial gave no reason" : trial.reason, figures.reasons);
  }
  if (!done.empty()) {
    figures.status = RowStatus::kMeasured;
    ReduceDone(done, figures);
    ReducePlans(done, figures);
  }
  if (!done.empty() && !row.warning.empty()) AddOnce(row.warning, figures.reasons);
  if (!row.not_run.empty()) AddOnce(row.not_run, figures.reasons);
  if (row.trials.empty() && figures.reasons.empty()) AddOnce(kNoReason, figures.reasons);
  return figures;
}

std::string PlanRemark(const RowFigures& figures) {
  std::vector<std::string> notes;
  if (figures.collapsed) notes.emplace_back("COLLAPSED to under half of float32");
  for (const auto& [name, value] : figures.notes) {
    std::string title = name;
    std::replace(title.begin(), title.end(), '_', ' ');
    notes.push_back(OneLine(title + " " + value));
  }
  std::string remark = fmt::format("{}", fmt::join(notes, ", "));
  if (!figures.simulated_only.empty()) {
    remark += fmt::format("{}simulated only: {}", remark.empty() ? "" : "; ", fmt::join(figures.simulated_only, ", "));
  }
  if (figures.uncommitted) {
    remark += std::string(remark.empty() ? "" : "; ") + "by a program of uncommitted sources";
  }
  return remark;
}

std::string BitsLabel(const TableRow& row) {
  return fmt::format("{}/{}{}", row.w_bits, row.a_bits, row.mixed ? " MP" : "");
}

}  // namespace ptq::results
