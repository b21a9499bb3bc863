// small_data.h: a data set of a hundred embedded pictures as PNG files, so that a whole run takes seconds.
#pragma once

#include <string>

namespace ptq::e2e {

// Writes pictures and a datasets.toml (sets "small_test" and "small_calibration") under `folder`; returns the TOML's
// path. The data root is `folder`.
std::string WriteSmallData(const std::string& folder);

// An experiment on micro_vit with the small sets: float32, min_max and percentile at W8A8 and W4A4.
std::string WriteSmallSpec(const std::string& folder, const std::string& seeds = "[0, 1]");

}  // namespace ptq::e2e
