// peers.h: methods on the real DeiT-Tiny beside the predictions of their authors' official codes: same weights, same 32
// calibration images, same 1300 photographs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/method/parameters.h"
#include "core/quant/quant_params.h"
#include "core/vit/model.h"

namespace ptq {

// What a run of an official code is here.
struct PeerCase {
  const char* name;
  const char* method;
  int bits;              // of weights and activations
  int patch_input_bits;  // as in method::Scheme
  quant::Granularity granularity;
  std::map<std::string, method::ParameterValue> given;
  const char* column;  // of the official code's predictions
};

// The official codes' answers: path and label of each photograph, and a predicted class per column.
struct Peers {
  std::vector<std::string> paths;
  std::vector<int64_t> labels;
  std::map<std::string, std::vector<int64_t>> predictions;
};

// What all cases share.
struct Shared {
  vit::VitModel model;
  Peers peers;
  at::Tensor calibration, validation;  // (32, 3, 224, 224) and (1300, 3, 224, 224), normalised
};

constexpr char kNoSharedFolder[] = "PTQBENCH_SHARED is not set: it names the folder with data/ and reference/";
bool HasSharedFolder();
// Read once; a bug where HasSharedFolder() says no, or a file is missing.
const Shared& TheShared();

// The classes that the method predicts, its random numbers drawn from RandomStream(seed, "peers").
// Errors: an unknown method or parameter; those of Supports and Quantize.
Result<std::vector<int64_t>> PredictionsOf(const PeerCase& peer, uint64_t seed);

// The share of places where both say the same.
double PercentEqual(const std::vector<int64_t>& a, const std::vector<int64_t>& b);

struct Comparison {
  double percent_right = 0, official_percent_right = 0, percent_same = 0;
  int64_t lost = 0, gained = 0;  // images that theirs alone, that ours alone has right
  double p = 1;                  // results::McNemarExact(lost, gained)
  std::string ToString() const;
};
Comparison Compare(const std::vector<int64_t>& ours, const std::vector<int64_t>& theirs,
                   const std::vector<int64_t>& labels);

// Where one more draw of a normal population lies with probability 0.95, given four.
struct Interval {
  double low = 0, high = 0;
};
Interval PredictionInterval(const std::vector<double>& draws);

}  // namespace ptq
