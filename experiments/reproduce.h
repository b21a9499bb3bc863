// reproduce.h: whether a trial that ran again gave what is stored of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "experiments/trial.h"
#include "results/trial_record.h"

namespace ptq::experiments {

// The trial of the stored record, found again by its key among those of the stored spec.
// Errors: those of ParseSpec and ResolveTrials; the reason why an input is absent; InvalidArgument where this program
// and these files make another trial of it, with each line of the canonical text that differs.
Result<Trial> FindAgain(const results::TrialRecord& stored, const std::vector<Trial>& trials);

struct Reproduction {
  int64_t images = 0, equal_predictions = 0;     // all five classes equal
  int64_t operands = 0, equal_operands = 0;      // with the inputs of LayerNorms; bits, grids, scales, zero points
  std::vector<std::string> differences;          // a sentence each; empty: it matches bit for bit
  std::vector<std::string> other_circumstances;  // what differs and need not matter: revision, CPU, threads, ...

  bool matches() const { return differences.empty(); }
};

// Two attempts at one trial.  Times, memory and circumstances are no differences.
Reproduction CompareAttempts(const results::TrialRecord& stored, const results::TrialRecord& now);

}  // namespace ptq::experiments
