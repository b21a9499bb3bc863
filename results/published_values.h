// published_values.h: the published reference numbers under results/published/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::results {

// One row of a table of published top-1 values (liu2021_table1.csv and files with its columns).
struct PublishedRow {
  std::string model;    // "DeiT-S"
  std::string dataset;  // "ImageNet"
  std::string method;   // "FP32", "Percentile", "Liu2021", ...
  int w_bits = 0, a_bits = 0;
  bool mixed = false;
  std::optional<double> size_mb;  // 10^6 bytes
  double top1_percent = 0;
  std::string source;
  std::string confidence;  // only values beginning with "src" may be printed as published
};

// Rows in file order.  The columns model, dataset, method, w_bits, a_bits, mixed, size_mb, top1, source, confidence may
// stand in any order; all must be there and no other.  An ablation (liu2021_table3_ablation.csv) has the switches
// similarity, ranking, bias_correction in place of method; it becomes "FP32" (32/32) or the parts that are on:
// "Similarity", "Similarity + ranking", "Similarity + bias", "Similarity + ranking + bias".
// Errors: NotFound, Io, Corrupt with file:line.
Result<std::vector<PublishedRow>> ReadPublished(const std::string& path);
// The same of text in memory; `path` only names it in errors.
Result<std::vector<PublishedRow>> ParsePublished(const std::string& text, const std::string& path);

// Whether the row's value may be printed as published.
bool IsPrintable(const PublishedRow& row);

}  // namespace ptq::results
