#include "core/search/column_scores.h"

#include <algorithm>

#include "core/quant/fake_quant.h"
#include "core/search/candidate_groups.h"
#include "core/search/code_bounds.h"
#include "core/search/code_product.h"

namespace ptq::search {
namespace {

constexpr int64_t kTargetFloats = 1 << 17;  // of the target at a time, near enough to be read by several candidates

double ScaleOf(const quant::QuantParams& params, int64_t channel) {
  return static_cast<double>(params.scale[params.scale.size() == 1 ? 0 : channel]);
}

// The weight is the product's left operand and tokens are its columns, so that sums come per output channel.
//
// A product has one scale per column, here a token's, so all channels of a candidate must share it.  Hence the target
// is held in units of rights[0]'s scale of its channel, and a candidate is computed at its mean factor f over channels,
// rights[i].scale[c] ~ f rights[0].scale[c].  A channel whose own factor is g f has the error
//   g o_hat - o = g (o_hat - o) + (g - 1) o.
class ColumnScorer {
 public:
  ColumnScorer(const OpSample& sample, OutputMetric metric, const quant::QuantParams& left,
               const std::vector<quant::QuantParams>& rights)
      : sample_(sample),
        metric_(metric),
        rights_(rights),
        left_scale_(static_cast<double>(left.scale[0])),
        container_(ContainerFor(BoundsOf(rights[0]), BoundsOf(left), sample.inner)),
        all_tokens_(sample.images * sample.rows),
        tokens_at_a_time_(std::clamp<int64_t>(kTargetFloats / sample.columns / 16 * 16, 64, 1024)),
        tokens_((all_tokens_ + tokens_at_a_time_ - 1) / tokens_at_a_time_) {}

  void PackTokens(const quant::QuantParams& left, int threads) {
    std::vector<std::vector<int32_t>> codes(threads);
    ParallelFor(threads, threads, [&](int64_t worker) {
      for (size_t i = worker; i < tokens_.size(); i += threads) {
        const int64_t first = static_cast<int64_t>(i) * tokens_at_a_time_;
        const int64_t count = std::min(tokens_at_a_time_, all_tokens_ - first);
        const int64_t size = count * sample_.inner;
        codes[worker].resize(size);
        quant::CodesLessZeroPoint(sample_.left + first * sample_.inner, size, left, 0, codes[worker].data());
        tokens_[i].Assign(container_, BoundsOf(left), codes[worker].data(), count, sample_.inner);
      }
    });
  }

  // What one thread needs, kept between groups of candidates.
  struct Workspace {
    std::vector<int32_t> codes;
    std::vector<float> target;  // of some tokens, channel by channel
    std::vector<double> squared_norms;
    std::vector<ErrorSums> rows;
    std::vector<LeftCodes> weights;            // per candidate
    std::vector<double> factors;               // per candidate
    std::vector<std::vector<ErrorSums>> sums;  // per candidate and channel
  };

  void Score(size_t begin, size_t end, Workspace& work, std::vector<std::vector<double>>* scores) const {
    const size_t count = end - begin;
    work.weights.resize(std::max(work.weights.size(), count));
    work.factors.assign(count, 0.0);
    work.sums.assign(count, std::vector<ErrorSums>(sample_.columns));
    work.squared_norms.assign(sample_.columns, 0.0);
    work.rows.resize(sample_.columns);
    for (size_t i = 0; i < count; ++i) {
      PackWeight(rights_[begin + i], work, &work.weights[i]);
      for (int64_t c = 0; c < sample_.columns; ++c) {
        work.factors[i] += Factor(begin + i, c) / static_cast<double>(sample_.columns);
      }
    }
    const std::vector<float> offset(tokens_at_a_time_, 0.0F);
    for (size_t t = 0; t < tokens_.size(); ++t) {
      TransposeTarget(t, work);
      for (size_t i = 0; i < count; ++i) {
        const std::vector<float> scale(tokens_at_a_time_, static_cast<float>(left_scale_ * work.factors[i]));
        CompareProduct(work.weights[i], tokens_[t], {work.target.data(), tokens_[t].columns()}, scale.data(),
                       offset.data(), work.rows.data(), nullptr);
        for (int64_t c = 0; c < sample_.columns; ++c) {
          ErrorSums& sums = work.sums[i][c];
          sums = {sums.e + work.rows[c].e, sums.ee + work.rows[c].ee, sums.et + work.rows[c].et};
        }
      }
    }
    for (size_t i = 0; i < count; ++i) {
      for (int64_t c = 0; c < sample_.columns; ++c) {
        (*scores)[begin + i].push_back(
            ChannelScore(work.sums[i][c], work.squared_norms[c], Factor(begin + i, c) / work.factors[i]));
      }
    }
  }

 private:
  double Factor(size_t candidate, int64_t c) const { return ScaleOf(rights_[candidate], c) / ScaleOf(rights_[0], c); }

  void PackWeight(const quant::QuantParams& params, Workspace& work, LeftCodes* weight) const {
    const int64_t inner = sample_.inner;
    work.codes.resize(sample_.columns * inner);
    for (int64_t c = 0; c < sample_.columns; ++c) {
      quant::CodesLessZeroPoint(sample_.right + c * inner, inner, params, params.scale.size() == 1 ? 0 : c,
                                work.codes.data() + c * inner);
    }
    weight->Assign(container_, BoundsOf(params), work.codes.data(), sample_.columns, inner);
  }

  // The t-th tokens' target, (columns, tokens), and its part of |o|^2.
  void TransposeTarget(size_t t, Workspace& work) const {
    constexpr int64_t kTile = 16;  // columns: a cache line of the target
    const int64_t tokens = tokens_[t].columns();
    const float* o = sample_.target + static_cast<int64_t>(t) * tokens_at_a_time_ * sample_.columns;
    work.target.resize(sample_.columns * tokens_at_a_time_);
    for (int64_t first = 0; first < sample_.columns; first += kTile) {
      const int64_t width = std::min(kTile, sample_.columns - first);
      double inverse[kTile], squares[kTile] = {};
      for (int64_t c = 0; c < width; ++c) {
        inverse[c] = 1 / ScaleOf(rights_[0], first + c);
      }
      for (int64_t token = 0; token < tokens; ++token) {
        for (int64_t c = 0; c < width; ++c) {
          const auto value =
              static_cast<float>(static_cast<double>(o[token * sample_.columns + first + c]) * inverse[c]);
          work.target[(first + c) * tokens + token] = value;
          squares[c] += static_cast<double>(value) * static_cast<double>(value);
        }
      }
      for (int64_t c = 0; c < width; ++c) {
        work.squared_norms[first + c] += squares[c];
      }
    }
  }

  double ChannelScore(const ErrorSums& sums, double oo, double gain) const {
    const double more = gain - 1;
    return OutputScore(metric_, oo,
                       {gain * sums.e, gain * gain * sums.ee + 2 * gain * more * sums.et + more * more * oo,
                        gain * sums.et + more * oo});
  }

  const OpSample& sample_;
  const OutputMetric metric_;
  const std::vector<quant::QuantParams>& rights_;
  const double left_scale_;
  const CodeContainer container_;
  const int64_t all_tokens_, tokens_at_a_time_;
  std::vector<RightCodes> tokens_;
};

}  // namespace

Result<std::vector<std::vector<double>>> ScoreColumns(const OpSample& sample, OutputMetric metric,
                                                      const quant::QuantParams& left,
                                                      const std::vector<quant::QuantParams>& rights, int threads,
                                                      const std::function<bool()>& stop) {
  PTQ_CHECK(sample.shared_right && !rights.empty());
  ColumnScorer scorer(sample, metric, left, rights);
  scorer.PackTokens(left, threads);
  std::vector<std::vector<double>> scores(rights.size());
  std::vector<ColumnScorer::Workspace> workspaces(threads);
  PTQ_RETURN_IF_ERROR(ForCandidateGroups(threads, rights.size(), stop, [&](size_t worker, size_t begin, size_t end) {
    scorer.Score(begin, end, workspaces[worker], &scores);
  }));
  return scores;
}

}  // namespace ptq::search
