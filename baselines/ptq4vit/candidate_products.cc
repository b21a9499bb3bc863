#include "baselines/ptq4vit/candidate_products.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/quant/fake_quant.h"

namespace ptq::baselines::ptq4vit {
namespace {

using quant::QuantParams;

// A matrix that lies in someone else's memory.
at::Tensor View(const float* data, int64_t rows, int64_t columns) {
  return at::from_blob(const_cast<float*>(data), {rows, columns}, at::kFloat);
}

search::CodeBounds BoundsOf(const QuantParams& params) {
  const quant::CodeRange codes = quant::Codes(params.grid, params.num_bits);
  return {codes.qmin, codes.qmax};
}

}  // namespace

CandidateProducts::CandidateProducts(const search::OpSample& sample, const Candidates& candidates, const Parts& other)
    : sample_(sample),
      candidates_(candidates),
      other_(other),
      left_(candidates.side == vit::Side::kLeft),
      slices_(!left_ && sample.shared_right),
      columns_(slices_ ? sample.columns / static_cast<int64_t>(candidates.part_count()) : sample.columns) {
  PTQ_CHECK(!slices_ || columns_ * static_cast<int64_t>(candidates.part_count()) == sample.columns);
  if (other.empty()) {
    return;
  }
  const QuantParams& mine = candidates.parts[0][0];
  if (mine.grid == quant::Grid::kSymmetricFull && other[0].grid == quant::Grid::kSymmetricFull) {
    const search::CodeBounds left = BoundsOf(left_ ? mine : other[0]);
    container_ = search::ContainerFor(left, BoundsOf(left_ ? other[0] : mine), sample.inner);
    integer_ = container_ != search::CodeContainer::kWide;
  }
  integer_ ? PackOther() : QuantizeOther();
}

void CandidateProducts::PackLeft(const float* values, const QuantParams& params, std::vector<int32_t>& codes,
                                 search::LeftCodes* packed) const {
  codes.resize(sample_.rows * sample_.inner);
  quant::CodesLessZeroPoint(values, sample_.rows * sample_.inner, params, 0, codes.data());
  packed->Assign(container_, BoundsOf(params), codes.data(), sample_.rows, sample_.inner);
}

void CandidateProducts::PackRight(const float* values, int64_t rows, const QuantParams& params,
                                  std::vector<int32_t>& codes, search::RightCodes* packed) const {
  codes.resize(rows * sample_.inner);
  quant::CodesLessZeroPoint(values, rows * sample_.inner, params, 0, codes.data());
  packed->Assign(container_, BoundsOf(params), codes.data(), rows, sample_.inner);
}

void CandidateProducts::PackOther() {
  const search::OpSample& s = sample_;
  std::vector<int32_t> codes;
  if (!left_) {
    other_left_.resize(s.products());
    for (int64_t unit = 0; unit < s.products(); ++unit) {
      PackLeft(s.left + unit * s.rows * s.inner, PartOf(other_, unit), codes, &other_left_[unit]);
    }
    return;
  }
  if (!s.shared_right) {
    other_right_.resize(s.products());
    for (int64_t unit = 0; unit < s.products(); ++unit) {
      PackRight(s.right + unit * s.columns * s.inner, s.columns, PartOf(other_, unit), codes, &other_right_[unit]);
    }
    return;
  }
  const int64_t width = s.columns / static_cast<int64_t>(other_.size());
  codes.resize(s.columns * s.inner);
  for (size_t part = 0; part < other_.size(); ++part) {
    const int64_t first = static_cast<int64_t>(part) * width * s.inner;
    quant::CodesLessZeroPoint(s.right + first, width * s.inner, other_[part], 0, codes.data() + first);
    other_scale_.insert(other_scale_.end(), width, other_[part].scale[0]);
  }
  other_right_.resize(1);
  other_right_[0].Assign(container_, BoundsOf(other_[0]), codes.data(), s.columns, s.inner);
}

void CandidateProducts::QuantizeOther() {
  const search::OpSample& s = sample_;
  const bool whole = left_ && s.shared_right;  // a weight
  const int64_t parts = whole ? static_cast<int64_t>(other_.size()) : s.products();
  const int64_t rows = left_ ? s.columns / (whole ? parts : 1) : s.rows;
  const float* const values = left_ ? s.right : s.left;
  other_values_ = at::empty({parts * rows, s.inner}, at::kFloat);
  for (int64_t part = 0; part < parts; ++part) {
    const QuantParams& params = whole ? other_[part] : PartOf(other_, part);
    other_values_.narrow(0, part * rows, rows)
        .copy_(quant::FakeQuantize(View(values + part * rows * s.inner, rows, s.inner), params));
  }
}

void CandidateProducts::BeginChunk(const std::vector<size_t>& chunk, Scratch& scratch) const {
  scratch.product = at::empty({sample_.rows, columns_}, at::kFloat);
  scratch.scale.resize(columns_);
  scratch.zeros.assign(columns_, 0.0F);
  scratch.sums.resize(sample_.rows);
  const size_t parts = candidates_.part_count();
  scratch.slices.resize(slices_ ? chunk.size() * parts : 0);
  scratch.slice_codes.resize(scratch.slices.size());
  for (size_t slice = 0; slice < scratch.slices.size(); ++slice) {
    const size_t part = slice % parts;
    const QuantParams& params = candidates_.parts[chunk[slice / parts]][part];
    const float* values = sample_.right + static_cast<int64_t>(part) * columns_ * sample_.inner;
    if (integer_) {
      PackRight(values, columns_, params, scratch.codes, &scratch.slice_codes[slice]);
    } else {
      scratch.slices[slice] = quant::FakeQuantize(View(values, columns_, sample_.inner), params);
    }
  }
}

const float* CandidateProducts::Multiply(size_t candidate, size_t i, size_t part, int64_t unit,
                                         Scratch& scratch) const {
  const QuantParams& params = candidates_.parts[candidate][part];
  const size_t slice = i * candidates_.part_count() + part;
  return integer_ ? MultiplyCodes(params, slice, unit, scratch) : MultiplyFloats(params, slice, unit, scratch);
}

const float* CandidateProducts::MultiplyCodes(const QuantParams& params, size_t slice, int64_t unit,
                                              Scratch& scratch) const {
  const search::OpSample& s = sample_;
  const search::LeftCodes* left = left_ ? &scratch.left : &other_left_[unit];
  const search::RightCodes* right = slices_ ? &scratch.slice_codes[slice] : &scratch.right;
  if (left_) {
    PackLeft(s.left + unit * s.rows * s.inner, params, scratch.codes, &scratch.left);
    right = &other_right_[s.shared_right ? 0 : unit];
  } else if (!slices_) {
    PackRight(s.right + unit * s.columns * s.inner, s.columns, params, scratch.codes, &scratch.right);
  }
  for (int64_t c = 0; c < columns_; ++c) {
    const float other = other_scale_.empty() ? PartOf(other_, unit).scale[0] : other_scale_[c];
    scratch.scale[c] = params.scale[0] * other;
  }
  auto* const product = scratch.product.data_ptr<float>();
  // The sums are of no use here; zeros, one row of them read again and again, stand for the target.
  search::CompareProduct(*left, *right, {scratch.zeros.data(), 0}, scratch.scale.data(), scratch.zeros.data(),
                         scratch.sums.data(), product);
  return product;
}

const float* CandidateProducts::MultiplyFloats(const QuantParams& params, size_t slice, int64_t unit,
                                               Scratch& scratch) const {
  const search::OpSample& s = sample_;
  const int64_t other_unit = left_ && s.shared_right ? 0 : unit;
  const int64_t other_rows = left_ ? s.columns : s.rows;
  const float* const other = (other_values_.defined() ? other_values_.data_ptr<float>()
                              : left_                 ? s.right
                                                      : s.left) +
                             other_unit * other_rows * s.inner;
  const at::Tensor fixed = View(other, other_rows, s.inner);
  at::Tensor quantized;
  if (slices_) {
    quantized = scratch.slices[slice];
  } else {
    const int64_t rows = left_ ? s.rows : s.columns;
    quantized = quant::FakeQuantize(View((left_ ? s.left : s.right) + unit * rows * s.inner, rows, s.inner), params);
  }
  at::mm_out(scratch.product, left_ ? quantized : fixed, (left_ ? fixed : quantized).t());
  return scratch.product.data_ptr<float>();
}

}  // namespace ptq::baselines::ptq4vit
