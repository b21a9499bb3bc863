// candidate_products.h: the products of many quantizations of one operand with the fixed other one.
//
// Uniform grids are multiplied in integers (core/search/code_product.h), the twin grids and float operands in float32.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/quant/quant_params.h"
#include "core/search/code_product.h"
#include "core/search/op_sample.h"
#include "core/vit/op.h"

namespace ptq::baselines::ptq4vit {

// An operand's parameters in parts: of a shared right operand equal slices of its rows, which are columns of the
// output, of qk's and pv's operands heads; one part is the whole.  Empty: the operand stays in float.
using Parts = std::vector<quant::QuantParams>;

// Quantizations of one operand, all of as many parts.
struct Candidates {
  vit::Side side = vit::Side::kLeft;
  std::vector<Parts> parts;
  size_t first = 0;  // tried first; a good guess saves time and changes nothing

  size_t part_count() const { return parts.front().size(); }
};

class CandidateProducts {
 public:
  // All outlive this object.  other: of the operand that is not candidates.side.
  CandidateProducts(const search::OpSample& sample, const Candidates& candidates, const Parts& other);

  // What one thread needs.
  struct Scratch {
    std::vector<at::Tensor> slices;  // a shared right operand's candidates, [of the chunk][part]
    std::vector<search::RightCodes> slice_codes;
    at::Tensor product;
    std::vector<int32_t> codes;
    search::LeftCodes left;
    search::RightCodes right;
    std::vector<float> scale, zeros;
    std::vector<search::ErrorSums> sums;
  };

  // Whether each part is a slice of the output's columns, and how many columns a product has.
  bool slices() const { return slices_; }
  int64_t columns() const { return columns_; }

  // Quantizes what the candidates of a chunk share over all images.
  void BeginChunk(const std::vector<size_t>& chunk, Scratch& scratch) const;
  // Candidate `candidate`, i-th of the chunk: the product of matrix `unit` (images times heads), rows x columns(),
  // row major; lies in the scratch until the next call.
  const float* Multiply(size_t candidate, size_t i, size_t part, int64_t unit, Scratch& scratch) const;

 private:
  void PackOther();
  void QuantizeOther();
  const float* MultiplyCodes(const quant::QuantParams& params, size_t slice, int64_t unit, Scratch& scratch) const;
  const float* MultiplyFloats(const quant::QuantParams& params, size_t slice, int64_t unit, Scratch& scratch) const;
  void PackRight(const float* values, int64_t rows, const quant::QuantParams& params, std::vector<int32_t>& codes,
                 search::RightCodes* packed) const;
  void PackLeft(const float* values, const quant::QuantParams& params, std::vector<int32_t>& codes,
                search::LeftCodes* packed) const;
  const quant::QuantParams& PartOf(const Parts& parts, int64_t unit) const {
    return parts[parts.size() == 1 ? 0 : static_cast<size_t>(unit % sample_.heads)];
  }

  const search::OpSample& sample_;
  const Candidates& candidates_;
  const Parts& other_;
  const bool left_;  // the candidates' side
  const bool slices_;
  const int64_t columns_;
  bool integer_ = false;
  search::CodeContainer container_ = search::CodeContainer::kInt8;
  at::Tensor other_values_;                      // quantized; undefined where the operand stays in float
  std::vector<search::LeftCodes> other_left_;    // per unit
  std::vector<search::RightCodes> other_right_;  // one, or per unit
  std::vector<float> other_scale_;               // of a fixed right operand, per column
};

}  // namespace ptq::baselines::ptq4vit
