#include "core/search/code_product.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/check.h"
#include "core/search/code_product_kernels.h"

namespace ptq::search {

namespace internal {

void AddLanes(const float* lanes, int64_t rows, ErrorSums* sums) {
  for (int64_t i = 0; i < rows; ++i, lanes += kSums * kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[i].e += static_cast<double>(lanes[lane]);
      sums[i].ee += static_cast<double>(lanes[kLanes + lane]);
      sums[i].et += static_cast<double>(lanes[2 * kLanes + lane]);
    }
  }
}

}  // namespace internal

using internal::kBlockColumns;
using internal::kLanes;
using internal::kSpareRows;
using internal::kSums;
using internal::PanelCut;
using internal::PanelJob;
using internal::WrappingAdd;
using internal::WrappingMultiply;

namespace {

// Rows whose lanes are kept at a time.
constexpr int64_t kChunkRows = 240;
constexpr int64_t kTileRows = 24;  // a multiple of every kernel's rows per tile
static_assert(kChunkRows % kTileRows == 0);

int64_t Magnitude(CodeBounds bounds) {
  return std::max(std::abs(static_cast<int64_t>(bounds.min)), std::abs(static_cast<int64_t>(bounds.max)));
}

}  // namespace

CodeContainer ContainerFor(CodeBounds left, CodeBounds right, int64_t inner) {
  PTQ_CHECK(left.min <= left.max && right.min <= right.max && inner >= 0);
  const int64_t left_magnitude = Magnitude(left), right_magnitude = Magnitude(right);
  const int64_t largest_product = INT32_MAX / std::max<int64_t>(inner, 1);
  if (left_magnitude * right_magnitude <= largest_product) {
    const auto spans_byte = [](CodeBounds b) { return static_cast<int64_t>(b.max) - b.min <= 255; };
    if (spans_byte(left) && spans_byte(right)) {
      return CodeContainer::kInt8;
    }
    if (left_magnitude < (1 << 15) && right_magnitude < (1 << 15)) {
      return CodeContainer::kInt16;
    }
  }
  PTQ_CHECK(left_magnitude <= (1 << 17) && right_magnitude <= (1 << 17)) << "codes beyond 2^17 have no container";
  return CodeContainer::kWide;
}

// One call of CompareProduct on packed operands.
class CodeProduct {
 public:
  CodeProduct(const LeftCodes& left, const RightCodes& right, const ProductTarget& target, float* o_hat)
      : left_(left),
        right_(right),
        target_(target),
        o_hat_(o_hat),
        groups_(internal::GroupsOf(*left.kernel_, left.inner_)) {}

  static void Compare(const LeftCodes& left, const RightCodes& right, const ProductTarget& target, const float* scale,
                      const float* offset, ErrorSums* sums, float* o_hat) {
    PTQ_CHECK(left.container_ == right.container_ && left.kernel_ == right.kernel_)
        << "both sides of a product must be in the same container";
    PTQ_CHECK(left.inner_ == right.inner_) << left.inner_ << " codes per row against " << right.inner_;
    if (left.kernel_ == nullptr) {
      CompareProductPlain(left.plain_.data(), right.plain_.data(), left.rows_, right.columns_, left.inner_, target,
                          scale, offset, sums, o_hat);
      return;
    }
    CodeProduct product(left, right, target, o_hat);
    std::fill(sums, sums + left.rows_, ErrorSums{});
    // Chunks of about equal size, in whole tiles.
    const int64_t chunks = std::max<int64_t>((left.rows_ + kChunkRows - 1) / kChunkRows, 1);
    const int64_t chunk = (left.rows_ + chunks * kTileRows - 1) / (chunks * kTileRows) * kTileRows;
    for (int64_t column = 0; column < right.columns_; column += kBlockColumns) {
      product.BeginBlock(column, scale, offset);
      for (int64_t first = 0; first < left.rows_; first += chunk) {
        product.RunRows(first, std::min(chunk, left.rows_ - first), sums + first);
      }
    }
  }

 private:
  void BeginBlock(int64_t first_column, const float* scale, const float* offset) {
    first_column_ = first_column;
    columns_ = std::min(kBlockColumns, right_.columns_ - first_column);
    const int64_t padded = (columns_ + kLanes - 1) / kLanes * kLanes;
    for (int64_t j = 0; j < columns_; ++j) {
      scale_[j] = scale[first_column + j];
      offset_[j] = offset[first_column + j];
      column_terms_[j] = WrappingMultiply(left_.shift_, right_.sums_[first_column + j]);
    }
    std::fill(scale_ + columns_, scale_ + padded, 0.0F);
    std::fill(offset_ + columns_, offset_ + padded, 0.0F);
    std::fill(column_terms_ + columns_, column_terms_ + padded, 0);
  }

  void RunRows(int64_t first_row, int64_t rows, ErrorSums* sums) {
    const int32_t corner = WrappingMultiply(static_cast<int32_t>(-left_.inner_), left_.shift_);
    for (int64_t r = 0; r < rows; ++r) {
      row_terms_[r] = WrappingMultiply(right_.shift_, WrappingAdd(left_.sums_[first_row + r], corner));
    }
    std::fill(row_terms_ + rows, row_terms_ + rows + kSpareRows, 0);
    std::fill(lanes_, lanes_ + rows * kSums * kLanes, 0.0F);

    PanelJob job;
    job.left = left_.packed_.data()->bytes + first_row * groups_ * 4;
    job.row_terms = row_terms_;
    job.rows = rows;
    job.groups = groups_;
    job.target_stride = target_.stride;
    job.o_hat_stride = right_.columns_;
    job.lanes = lanes_;
    const PanelCut cut((columns_ + kLanes - 1) / kLanes, left_.kernel_->max_vectors(groups_));
    int64_t column = 0;
    for (int64_t panel = 0; panel < cut.count; ++panel) {
      job.vectors = cut.Width(panel);
      job.columns = std::min(columns_ - column, job.vectors * kLanes);
      const int64_t global_column = first_column_ + column;
      job.right = right_.packed_.data() + global_column / kLanes * groups_;
      job.column_terms = column_terms_ + column;
      job.scale = scale_ + column;
      job.offset = offset_ + column;
      job.target = target_.values + first_row * target_.stride + global_column;
      job.o_hat = o_hat_ == nullptr ? nullptr : o_hat_ + first_row * right_.columns_ + global_column;
      left_.kernel_->run(job);
      column += job.vectors * kLanes;
    }
    left_.kernel_->add_lanes(lanes_, rows, sums);
  }

  const LeftCodes& left_;
  const RightCodes& right_;
  const ProductTarget target_;
  float* const o_hat_;
  const int64_t groups_;
  int64_t first_column_ = 0, columns_ = 0;  // of the current block
  alignas(64) float lanes_[kChunkRows * kSums * kLanes];
  alignas(64) float scale_[kBlockColumns];
  alignas(64) float offset_[kBlockColumns];
  alignas(64) int32_t column_terms_[kBlockColumns];
  int32_t row_terms_[kChunkRows + kSpareRows];
};

void CompareProduct(const LeftCodes& left, const RightCodes& right, const ProductTarget& target, const float* scale,
                    const float* offset, ErrorSums* sums, float* o_hat) {
  CodeProduct::Compare(left, right, target, scale, offset, sums, o_hat);
}

void CompareProductPlain(const int32_t* left, const int32_t* right, int64_t rows, int64_t columns, int64_t inner,
                         const ProductTarget& target, const float* scale, const float* offset, ErrorSums* sums,
                         float* o_hat) {
  for (int64_t i = 0; i < rows; ++i) {
    sums[i] = {};
    for (int64_t block = 0; block < columns; block += kBlockColumns) {
      float lanes[kSums][kLanes] = {};
      for (int64_t j = block; j < std::min(block + kBlockColumns, columns); ++j) {
        int64_t acc = 0;
        for (int64_t k = 0; k < inner; ++k) {
          acc += static_cast<int64_t>(left[i * inner + k]) * right[j * inner + k];
        }
        const float product = static_cast<float>(acc);
        if (o_hat != nullptr) {
          o_hat[i * columns + j] = scale[j] * product;
        }
        const float t = target.values[i * target.stride + j];
        const float e = std::fma(scale[j], product, -t) - offset[j];
        const int64_t lane = j % kLanes;
        lanes[0][lane] += e;
        lanes[1][lane] = std::fma(e, e, lanes[1][lane]);
        lanes[2][lane] = std::fma(e, t, lanes[2][lane]);
      }
      internal::AddLanes(lanes[0], 1, &sums[i]);
    }
  }
}

}  // namespace ptq::search
