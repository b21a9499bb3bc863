// settings.h: the switches of Liu et al. 2021, as parameters of the method and as typed values.
//
// The paper leaves much open; each open point is a parameter, and docs/liu.md lists them.
#pragma once

#include <string>
#include <vector>

#include "core/allocate/allocate.h"
#include "core/method/parameters.h"
#include "core/search/interval_search.h"
#include "core/search/op_objective.h"
#include "core/vit/op.h"

namespace ptq::liu {

enum class InitialInterval { kMaxCode, kHalfLevels, kMidpoint };
// Y of an attention group: the map in one of its forms, or what the module adds to the residual stream.
enum class SensitivityMap { kSoftmax, kScores, kAsRanking, kModuleOutput };

struct Settings {
  // The objective and its search.
  bool ranking = true;
  search::RankingOptions ranking_options;  // score_factor and projection_heads are filled per op
  bool rank_projection = false;            // also in the search of W^Q and W^K
  search::Similarity similarity = search::Similarity::kImage;
  bool corrected = false;  // the objective sees outputs after bias correction
  search::SearchOptions search;
  InitialInterval initial_interval = InitialInterval::kMaxCode;
  bool separate_qkv = true;
  quant::Grid act_grid = quant::Grid::kSymmetricFull;
  quant::Grid weight_grid = quant::Grid::kSymmetricFull;
  bool sequential = false;
  bool bias_correction = true;

  // Mixed precision.
  std::vector<int> candidate_bits;  // empty: target - 2 .. target + 2
  double size_tolerance = 0.01;
  allocate::Rule rule = allocate::Rule::kPareto;
  bool extra_groups = false;  // patch embedding and head are groups too
  SensitivityMap sensitivity_map = SensitivityMap::kSoftmax;
  bool feature_after_residual = false;
  bool relative_sensitivity = false;  // both factors of Omega in units of Y's Frobenius norm
  int64_t sensitivity_images = 32;
};

std::vector<method::ParameterSpec> ParameterSpecs();

// Of parameters resolved against ParameterSpecs().
Settings ReadSettings(const method::Parameters& parameters);

// Ascending distinct bits of "4,5,8".  InvalidArgument for anything else, or bits outside 2..16.
Result<std::vector<int>> ParseBitsList(const std::string& text);

// The parameters that an op's search depends on, "name=value" joined by blanks: part of a checkpoint's key.  ranks:
// whether the op's objective has the ranking term.
std::string SearchText(const method::Parameters& parameters, const vit::OpId& op, bool ranks);

// The same for Omega, beyond the searches that it stands on.
std::string SensitivityText(const method::Parameters& parameters);

}  // namespace ptq::liu
