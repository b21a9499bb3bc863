// sensitivity_record.h: what quantizing one part of a model alone costs, part by part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "results/trial_record.h"

namespace ptq::results {

// One part at one width, everything else in float32.
struct SensitivityCell {
  std::string unit;  // "blocks.3.mlp.fc1", "blocks.3", "mlp.fc1"
  int num_bits = 0;  // of the part's weights and activations
  // Of the logits: 10 log10(sum y^2 / sum (y - y')^2), y in float32, y' with the part quantized; absent: equal.
  std::optional<double> signal_to_noise_db;
  int64_t changed = 0;       // images whose first answer differs from float32's
  int64_t top1_correct = 0;  // images
};

struct SensitivityRecord {
  std::string model, weights_sha256;
  DatasetRecord dataset;  // which the images are taken from, evenly spaced; its lists stay empty
  int64_t images = 0;
  std::string calibration_dataset, calibration_manifest_sha256;
  int64_t calib_images = 0;
  int64_t seed = 0;
  std::string method;  // which sets the scales
  int method_version = 1;
  std::string parameters;
  std::string grouping;  // "op", "block", "kind"
  int64_t float_top1_correct = 0;
  std::vector<SensitivityCell> cells;  // by unit in the model's order, then by width
  HostRecord host;
  BuildRecord build;
  std::string finished_utc;
};

}  // namespace ptq::results
