// settings.h: EasyQuant's parameters, and the three published readings of them.
#pragma once

#include <string>
#include <vector>

#include "baselines/easyquant/candidates.h"
#include "core/method/parameters.h"
#include "core/search/cosine_objective.h"
#include "core/vit/op.h"

namespace ptq::baselines::easyquant {

// Where the search of an activation's interval begins.
enum class ActivationInit {
  kEntropyOfBits,   // KL, as many groups as the grid has levels
  kEntropyOf8Bits,  // KL, the groups of 8 bits at fewer bits as well; the released tool
  kMaximum,         // the largest absolute value; PTQ4ViT
};

struct Settings {
  CandidateRange weights, activations;
  ActivationInit init = ActivationInit::kEntropyOf8Bits;
  int64_t max_rounds = 1;  // a round searches the right operand, then the left one
  search::OutputMetric metric = search::OutputMetric::kCosine;
  search::ScoreDomain domain = search::ScoreDomain::kMap;
  bool sequential = false;
  int64_t accumulation_depth = 0;

  // All that a search of one op depends on, for keys.
  std::string SearchText() const;
};

std::vector<method::ParameterSpec> ParameterSpecs();
Settings ReadSettings(const method::Parameters& parameters);

// Signed operands are on symmetric_restricted; the softmax output, which is never negative, is on the unsigned grid.
quant::Grid GridOf(const vit::OperandId& operand);

}  // namespace ptq::baselines::easyquant
