#include "results/table_statistics.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "results/comparison.h"

namespace ptq::results {
namespace {

constexpr int kFloatBits = 32;

// The done trials of a row.
Result<std::vector<EvaluatedTrial>> Evaluated(const Store& store, const TableRow& row) {
  std::vector<EvaluatedTrial> trials;
  for (const TrialSummary& trial : row.trials) {
    if (trial.status != TrialStatus::kDone) continue;
    PTQ_ASSIGN_OR_RETURN(EvaluatedTrial evaluated, ReadEvaluated(store, trial.trial_key));
    trials.push_back(std::move(evaluated));
  }
  return trials;
}

// What a row competes in: equal ones have the same images, too.
std::string GroupOf(const TableRow& row, const std::string& manifest_sha256) {
  std::string group;
  for (const std::string& part : {row.model, row.dataset, std::to_string(row.w_bits), std::to_string(row.a_bits),
                                  std::string(row.mixed ? "MP" : ""), manifest_sha256}) {
    group += part + '\n';
  }
  return group;
}

// Seeds differ and images are the same, as OutcomesOf asks.
bool AreOneMethod(const std::vector<EvaluatedTrial>& trials) {
  std::map<int64_t, int> seeds;
  for (const EvaluatedTrial& trial : trials) {
    if (++seeds[trial.summary.seed] > 1 || !CheckSameImages(trials[0], trial).ok()) return false;
  }
  return !trials.empty();
}

Interval IntervalOf(const MethodOutcomes& outcomes) {
  if (outcomes.size() > 1) return SummarizeSeeds(outcomes).interval;
  const std::vector<bool>& right = outcomes[0].right;
  return WilsonInterval(std::count(right.begin(), right.end(), true), static_cast<int64_t>(right.size()));
}

}  // namespace

Status AddStatistics(const Store& store, Table& table) {
  struct Competitor {
    TableRow* row;
    MethodOutcomes outcomes;
  };
  std::map<std::string, std::vector<Competitor>> groups;
  for (TableRow& row : table.rows) {
    PTQ_ASSIGN_OR_RETURN(const std::vector<EvaluatedTrial> trials, Evaluated(store, row));
    if (!AreOneMethod(trials)) continue;
    MethodOutcomes outcomes = OutcomesOf(trials);
    row.interval = IntervalOf(outcomes);
    if (row.w_bits < kFloatBits) {
      groups[GroupOf(row, trials[0].dataset.manifest_sha256)].push_back({&row, std::move(outcomes)});
    }
  }
  std::vector<TableRow*> compared;
  std::vector<double> p_values;
  for (auto& [name, competitors] : groups) {
    if (competitors.size() < 2) continue;
    std::vector<MethodOutcomes> outcomes;
    for (Competitor& competitor : competitors) outcomes.push_back(std::move(competitor.outcomes));
    const Leaders leaders = FindLeaders(outcomes);
    for (const size_t place : leaders.group) competitors[place].row->standing = Standing::kTied;
    if (leaders.winner) competitors[*leaders.winner].row->standing = Standing::kBest;
    for (size_t i = 0; i < competitors.size(); ++i) {
      if (i == leaders.best) continue;
      compared.push_back(competitors[i].row);
      p_values.push_back(SignFlipP(outcomes[leaders.best], outcomes[i]));
    }
  }
  const std::vector<double> adjusted = HolmAdjusted(p_values);
  for (size_t i = 0; i < compared.size(); ++i) compared[i]->adjusted_p = adjusted[i];
  return OkStatus();
}

}  // namespace ptq::results
