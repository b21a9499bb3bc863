// comparison.h: two stored trials on the same images, image by image.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "results/accuracy_statistics.h"
#include "results/seed_statistics.h"
#include "results/store.h"

namespace ptq::results {

// Which first answers are the image's label; an image without a label (negative) is never right.  Equally long.
std::vector<bool> RightAnswers(const std::vector<Prediction>& predictions, const std::vector<int64_t>& labels);

// A done trial as a comparison needs it.
struct EvaluatedTrial {
  TrialSummary summary;
  DatasetRecord dataset;
  std::vector<Prediction> predictions;  // one for each image of `dataset`, in its order

  std::vector<bool> right() const { return RightAnswers(predictions, dataset.labels); }
};

// The latest done row of a key.  Errors: NotFound (no such key), InvalidArgument (never done), Corrupt (predictions and
// images of different number).
Result<EvaluatedTrial> ReadEvaluated(const Store& store, const std::string& trial_key);

// OK where both were evaluated on the same images with the same labels in the same order, so that they can be compared
// image by image; else InvalidArgument with a sentence that names both trials and what differs.
Status CheckSameImages(const EvaluatedTrial& a, const EvaluatedTrial& b);

// One trial of a comparison.
struct ComparedSide {
  TrialSummary summary;
  int64_t right = 0;
  double accuracy = 0;  // fraction, as are all below
  Interval interval;    // WilsonInterval: of this trial by itself
};

struct Comparison {
  ComparedSide a, b;
  std::string dataset, manifest_sha256;
  PairCounts counts;
  double difference = 0;         // accuracy of A minus that of B
  Interval difference_interval;  // PairedDifferenceInterval
  double p_value = 1;            // McNemarExact
  double same_answer = 0;        // share of the images where both have the same first answer, right or wrong

  // Whether the interval leaves room for no difference at all.
  bool is_separable() const { return !difference_interval.contains(0); }
};

// Errors: those of CheckSameImages.
Result<Comparison> Compare(const EvaluatedTrial& a, const EvaluatedTrial& b);

// The trials of one method over its seeds.  All on the same images, seeds differ.
MethodOutcomes OutcomesOf(const std::vector<EvaluatedTrial>& trials);

}  // namespace ptq::results
