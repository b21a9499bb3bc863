#include "baselines/easyquant/rounds.h"

#include <algorithm>

namespace ptq::baselines::easyquant {
namespace {

// Each group's best candidate.
quant::QuantParams BestOfGroups(const std::vector<quant::QuantParams>& candidates,
                                const std::vector<std::vector<double>>& scores) {
  quant::QuantParams best = candidates[0];
  const size_t groups = scores[0].size();
  const size_t scales_of_group = best.scale.size() / groups;
  for (size_t group = 0; group < groups; ++group) {
    size_t chosen = 0;
    for (size_t i = 1; i < candidates.size(); ++i) {
      chosen = scores[i][group] > scores[chosen][group] ? i : chosen;
    }
    const auto first = static_cast<std::ptrdiff_t>(group * scales_of_group);
    std::copy_n(candidates[chosen].scale.begin() + first, scales_of_group, best.scale.begin() + first);
  }
  return best;
}

}  // namespace

Result<Intervals> SearchRounds(search::CosineObjective& objective, const std::vector<quant::QuantParams>& lefts,
                               const std::vector<quant::QuantParams>& rights, int64_t max_rounds) {
  PTQ_CHECK(!lefts.empty() && !rights.empty() && max_rounds > 0);
  PTQ_CHECK(rights[0].scale.size() % static_cast<size_t>(objective.right_groups()) == 0);
  Intervals best{lefts[0], rights[0], 0, 0, 0, 1};
  PTQ_ASSIGN_OR_RETURN(const std::vector<double> initial, objective.ScoreLefts({lefts[0]}, rights[0]));
  best.initial_score = best.score = initial[0];
  quant::QuantParams left = lefts[0];
  quant::QuantParams right = rights[0];
  for (int64_t round = 0; round < max_rounds; ++round) {
    PTQ_ASSIGN_OR_RETURN(const auto of_rights, objective.ScoreRights(left, rights));
    best.evaluations += static_cast<int64_t>(rights.size());
    ++best.rounds;
    const quant::QuantParams next_right = BestOfGroups(rights, of_rights);
    if (round > 0 && next_right == right) {
      break;  // the left search would repeat the last round's
    }
    right = next_right;
    PTQ_ASSIGN_OR_RETURN(const std::vector<double> of_lefts, objective.ScoreLefts(lefts, right));
    best.evaluations += static_cast<int64_t>(lefts.size());
    const auto chosen = std::max_element(of_lefts.begin(), of_lefts.end()) - of_lefts.begin();  // the first of them
    const bool stays = lefts[chosen] == left;
    left = lefts[chosen];
    if (of_lefts[chosen] > best.score) {
      best.left = left;
      best.right = right;
      best.score = of_lefts[chosen];
    }
    if (stays) {
      break;  // the next round would repeat this one's right search
    }
  }
  return best;
}

}  // namespace ptq::baselines::easyquant
