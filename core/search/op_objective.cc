#include "core/search/op_objective.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/parallel.h"
#include "core/quant/fake_quant.h"
#include "core/quant/reference.h"

namespace ptq::search {
namespace {

constexpr int kCandidatesBetweenStops = 8;

CodeBounds BoundsOf(const quant::QuantParams& params) {
  const quant::CodeRange codes = quant::Codes(params.grid, params.num_bits);
  const auto [low, high] = std::minmax_element(params.zero_point.begin(), params.zero_point.end());
  return {codes.qmin - *high, codes.qmax - *low};
}

ErrorSums Sum(const ErrorSums& a, const ErrorSums& b) { return {a.e + b.e, a.ee + b.ee, a.et + b.et}; }

// o_hat less the mean of o_hat - o in each column.
void RemoveColumnMeans(const std::vector<float>& o, int64_t columns, std::vector<float>* o_hat) {
  const auto rows = static_cast<int64_t>(o.size()) / columns;
  for (int64_t c = 0; c < columns; ++c) {
    double sum = 0;
    for (int64_t r = 0; r < rows; ++r) {
      sum += static_cast<double>((*o_hat)[r * columns + c]) - static_cast<double>(o[r * columns + c]);
    }
    for (int64_t r = 0; r < rows; ++r) {
      float& x = (*o_hat)[r * columns + c];
      x = static_cast<float>(static_cast<double>(x) - sum / static_cast<double>(rows));
    }
  }
}

// o and o_hat (images, heads, rows, width).
double PlainSimilarity(const std::vector<float>& o, const std::vector<float>& o_hat, Similarity similarity,
                       const OpSample& s, int64_t width) {
  if (similarity == Similarity::kPooled) {
    return PearsonPlain(o.data(), o_hat.data(), static_cast<int64_t>(o.size()));
  }
  const int64_t map = s.heads * s.rows * width;
  double sum = 0;
  for (int64_t image = 0; image < s.images; ++image) {
    if (similarity == Similarity::kImage) {
      sum += PearsonPlain(o.data() + image * map, o_hat.data() + image * map, map);
      continue;
    }
    for (int64_t row = 0; row < s.rows; ++row) {
      std::vector<float> token, token_hat;
      for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t begin = image * map + (h * s.rows + row) * width;
        token.insert(token.end(), o.begin() + begin, o.begin() + begin + width);
        token_hat.insert(token_hat.end(), o_hat.begin() + begin, o_hat.begin() + begin + width);
      }
      sum += PearsonPlain(token.data(), token_hat.data(), static_cast<int64_t>(token.size()));
    }
  }
  return sum / static_cast<double>(s.images * (similarity == Similarity::kToken ? s.rows : 1));
}

}  // namespace

// The operands that a batch of candidates shares, packed once; the side that varies is empty.
struct OpObjective::Packed {
  std::vector<LeftCodes> left;                 // per product
  std::vector<std::vector<RightCodes>> right;  // per part: one, or one per product
  // Where outputs are corrected: sums of left codes over all rows, per inner index, and each part's right codes.
  std::vector<int64_t> left_sums;
  std::vector<std::vector<int32_t>> right_codes;
};

struct OpObjective::PartColumns {
  std::vector<float> scale, offset;
};

// One candidate while it is scored.
struct OpObjective::Scored {
  OpIntervals intervals;
  LeftCodes left;
  std::vector<RightCodes> rights;               // per part
  std::vector<PartColumns> columns;             // per part
  std::vector<std::vector<ErrorSums>> domains;  // per part: one per domain of the similarity
  std::vector<double> ranking;                  // per part: sum over images
};

// What one thread needs, kept between candidates.
struct OpObjective::Workspace {
  std::vector<int32_t> codes;
  std::vector<Scored> scored;
  std::vector<std::vector<float>> o_hat;  // per part, of one image
  OpRanking::Scratch ranking;
  std::vector<ErrorSums> rows;
};

OpObjective::OpObjective(const OpSample& sample, const ObjectiveOptions& options, int threads,
                         std::function<bool()> stop)
    : sample_(sample), options_(options), threads_(threads), stop_(std::move(stop)) {
  const OpSample& s = sample_;
  PTQ_CHECK(options.right_parts == 1 || (s.shared_right && s.columns % options.right_parts == 0));
  PTQ_CHECK(!options.corrected || s.shared_right);
  for (int64_t part = 0; part < options.right_parts; ++part) {
    std::vector<TargetMoments>& moments = moments_.emplace_back();
    for (int64_t image = 0; image < s.images; ++image) {
      if (options.similarity == Similarity::kToken) {
        for (int64_t row = 0; row < s.rows; ++row) {
          TargetMoments token;
          for (int64_t h = 0; h < s.heads; ++h) {
            token = Join(token, MomentsOf(Target(image * s.heads + h, part) + row * s.columns, 1, width(), 0));
          }
          moments.push_back(token);
        }
        continue;
      }
      TargetMoments whole;
      for (int64_t h = 0; h < s.heads; ++h) {
        whole = Join(whole, MomentsOf(Target(image * s.heads + h, part), s.rows, width(), s.columns));
      }
      if (options.similarity == Similarity::kPooled && image > 0) {
        moments[0] = Join(moments[0], whole);
      } else {
        moments.push_back(whole);
      }
    }
  }
  if (options.corrected) {
    target_mean_.assign(s.columns, 0.0);
    for (int64_t row = 0; row < s.images * s.rows; ++row) {
      for (int64_t c = 0; c < s.columns; ++c) {
        target_mean_[c] += static_cast<double>(s.target[row * s.columns + c]);
      }
    }
    for (double& mean : target_mean_) {
      mean /= static_cast<double>(s.images * s.rows);
    }
  }
  if (options.ranking) {
    ranking_ = std::make_unique<OpRanking>(sample, *options.ranking);
    PTQ_CHECK(ranking_->parts() == (options.right_parts == 3 ? 2 : 1));
  }
}

OpObjective::~OpObjective() = default;

const float* OpObjective::Target(int64_t product, int64_t part) const {
  return sample_.target + product * sample_.rows * sample_.columns + part * width();
}

CodeContainer OpObjective::Container(const OpIntervals& intervals) const {
  CodeBounds right = BoundsOf(intervals.right[0]);
  for (const quant::QuantParams& part : intervals.right) {
    const CodeBounds bounds = BoundsOf(part);
    right = {std::min(right.min, bounds.min), std::max(right.max, bounds.max)};
  }
  return ContainerFor(BoundsOf(intervals.left), right, sample_.inner);
}

void OpObjective::QuantizeLeft(const quant::QuantParams& params, int64_t product, Workspace& work) const {
  const int64_t size = sample_.rows * sample_.inner;
  work.codes.resize(size);
  quant::CodesLessZeroPoint(sample_.left + product * size, size, params, 0, work.codes.data());
}

void OpObjective::PackLeft(const quant::QuantParams& params, CodeContainer container, int64_t product, Workspace& work,
                           LeftCodes* codes) const {
  QuantizeLeft(params, product, work);
  codes->Assign(container, BoundsOf(params), work.codes.data(), sample_.rows, sample_.inner);
}

void OpObjective::PackRight(const quant::QuantParams& params, CodeContainer container, int64_t product, int64_t part,
                            Workspace& work, RightCodes* codes) const {
  const int64_t inner = sample_.inner;
  const float* right = sample_.right + (sample_.shared_right ? part * width() : product * sample_.columns) * inner;
  work.codes.resize(width() * inner);
  if (params.granularity == quant::Granularity::kPerTensor) {
    quant::CodesLessZeroPoint(right, width() * inner, params, 0, work.codes.data());
  } else {
    for (int64_t c = 0; c < width(); ++c) {
      quant::CodesLessZeroPoint(right + c * inner, inner, params, c, work.codes.data() + c * inner);
    }
  }
  codes->Assign(container, BoundsOf(params), work.codes.data(), width(), inner);
}

// Scale and offset of the columns of one part.  `right_codes` are the part's, where outputs are corrected: the mean of
// an output over images and tokens is the product of the left codes' sums with its right codes.
void OpObjective::PrepareColumns(const OpIntervals& intervals, int64_t part, const std::vector<int64_t>& left_sums,
                                 const std::vector<int32_t>& right_codes, PartColumns* columns) const {
  const std::vector<float>& scales = intervals.right[part].scale;
  columns->scale.resize(width());
  columns->offset.assign(width(), 0.0F);
  for (int64_t c = 0; c < width(); ++c) {
    columns->scale[c] = static_cast<float>(static_cast<double>(intervals.left.scale[0]) *
                                           static_cast<double>(scales[scales.size() == 1 ? 0 : c]));
    if (options_.corrected) {
      double sum = 0;
      for (int64_t k = 0; k < sample_.inner; ++k) {
        sum += static_cast<double>(left_sums[k]) * static_cast<double>(right_codes[c * sample_.inner + k]);
      }
      const double mean =
          static_cast<double>(columns->scale[c]) * sum / static_cast<double>(sample_.images * sample_.rows);
      columns->offset[c] = static_cast<float>(mean - target_mean_[part * width() + c]);
    }
  }
}

std::vector<int64_t> OpObjective::LeftSums(const quant::QuantParams& params, Workspace& work) const {
  std::vector<int64_t> sums(sample_.inner, 0);
  for (int64_t product = 0; product < sample_.products(); ++product) {
    QuantizeLeft(params, product, work);
    for (int64_t row = 0; row < sample_.rows; ++row) {
      for (int64_t k = 0; k < sample_.inner; ++k) {
        sums[k] += work.codes[row * sample_.inner + k];
      }
    }
  }
  return sums;
}

void OpObjective::BeginCandidate(const OpIntervals& intervals, const Packed& packed, Workspace& work,
                                 Scored* scored) const {
  const auto parts = static_cast<size_t>(options_.right_parts);
  const bool pack_right = packed.right.empty();
  scored->intervals = intervals;
  scored->rights.resize(parts);
  scored->columns.resize(parts);
  scored->domains.assign(parts, std::vector<ErrorSums>(moments_[0].size()));
  scored->ranking.assign(parts, 0.0);
  std::vector<int64_t> left_sums = packed.left_sums;
  if (packed.left.empty() && options_.corrected) {
    left_sums = LeftSums(intervals.left, work);
  }
  for (size_t part = 0; part < parts; ++part) {
    if (pack_right && sample_.shared_right) {
      PackRight(intervals.right[part], Container(intervals), 0, part, work, &scored->rights[part]);
    }
    PrepareColumns(intervals, part, left_sums, pack_right ? work.codes : packed.right_codes[part],
                   &scored->columns[part]);
  }
}

void OpObjective::AddImage(int64_t image, const Packed& packed, Workspace& work, Scored* scored) const {
  const OpSample& s = sample_;
  const CodeContainer container = Container(scored->intervals);
  const bool pack_left = packed.left.empty();
  const bool pack_right = packed.right.empty();
  for (int64_t h = 0; h < s.heads; ++h) {
    const int64_t product = image * s.heads + h;
    if (pack_left) {
      PackLeft(scored->intervals.left, container, product, work, &scored->left);
    }
    if (pack_right && !s.shared_right) {
      PackRight(scored->intervals.right[0], container, product, 0, work, &scored->rights[0]);
    }
    for (size_t part = 0; part < scored->rights.size(); ++part) {
      const RightCodes& right =
          pack_right ? scored->rights[part] : packed.right[part][s.shared_right ? 0 : static_cast<size_t>(product)];
      const PartColumns& columns = scored->columns[part];
      CompareProduct(pack_left ? scored->left : packed.left[product], right, {Target(product, part), s.columns},
                     columns.scale.data(), columns.offset.data(), work.rows.data(),
                     Ranks(part) ? work.o_hat[part].data() + h * s.rows * width() : nullptr);
      for (int64_t row = 0; row < s.rows; ++row) {
        ErrorSums& domain = scored->domains[part][DomainOf(image, row)];
        domain = Sum(domain, work.rows[row]);
      }
    }
  }
  for (size_t part = 0; part < scored->rights.size(); ++part) {
    scored->ranking[part] += Ranks(part) ? ranking_->Loss(part, image, work.o_hat[part].data(), work.ranking) : 0.0;
  }
}

std::vector<std::vector<double>> OpObjective::ScoreGroup(const std::vector<OpIntervals>& candidates, size_t begin,
                                                         size_t end, size_t step, const Packed& packed,
                                                         Workspace& work) const {
  work.rows.resize(sample_.rows);
  work.o_hat.resize(options_.right_parts);
  for (size_t part = 0; part < work.o_hat.size(); ++part) {
    work.o_hat[part].resize(Ranks(part) ? sample_.heads * sample_.rows * width() : 0);
  }
  const size_t count = begin < end ? (end - begin + step - 1) / step : 0;
  work.scored.resize(std::max(work.scored.size(), count));
  for (size_t c = 0; c < count; ++c) {
    BeginCandidate(candidates[begin + c * step], packed, work, &work.scored[c]);
  }
  // Images outside, candidates inside: an image's target is read from near caches by all candidates but the first.
  for (int64_t image = 0; image < sample_.images; ++image) {
    for (size_t c = 0; c < count; ++c) {
      AddImage(image, packed, work, &work.scored[c]);
    }
  }
  std::vector<std::vector<double>> scores(count);
  for (size_t c = 0; c < count; ++c) {
    for (size_t part = 0; part < moments_.size(); ++part) {
      const std::vector<ErrorSums>& domains = work.scored[c].domains[part];
      double similarity = 0;
      for (size_t d = 0; d < domains.size(); ++d) {
        similarity += Pearson(moments_[part][d], domains[d]);
      }
      const double penalty = ranking_ == nullptr ? 0.0 : ranking_->Penalty(work.scored[c].ranking[part]);
      scores[c].push_back(similarity / static_cast<double>(domains.size()) - penalty);
    }
  }
  return scores;
}

size_t OpObjective::DomainOf(int64_t image, int64_t row) const {
  switch (options_.similarity) {
    case Similarity::kImage:
      return static_cast<size_t>(image);
    case Similarity::kToken:
      return static_cast<size_t>(image * sample_.rows + row);
    case Similarity::kPooled:
      return 0;
  }
  return 0;
}

bool OpObjective::Ranks(size_t part) const {
  return ranking_ != nullptr && static_cast<int64_t>(part) < ranking_->parts();
}

Result<std::vector<std::vector<double>>> OpObjective::ScoreAll(const std::vector<OpIntervals>& candidates,
                                                               const Packed& packed) const {
  std::vector<std::vector<double>> scores(candidates.size());
  const auto chunk = static_cast<size_t>(kCandidatesBetweenStops * threads_);
  std::vector<Workspace> workspaces(threads_);
  for (size_t begin = 0; begin < candidates.size(); begin += chunk) {
    if (stop_ && stop_()) {
      return Interrupted("stopped during the interval search");
    }
    const size_t end = std::min(begin + chunk, candidates.size());
    ParallelFor(threads_, threads_, [&](int64_t worker) {
      const std::vector<std::vector<double>> of_group =
          ScoreGroup(candidates, begin + worker, end, threads_, packed, workspaces[worker]);
      for (size_t c = 0; c < of_group.size(); ++c) {
        scores[begin + worker + c * threads_] = of_group[c];
      }
    });
  }
  return scores;
}

Result<std::vector<double>> OpObjective::ScoreLefts(const std::vector<quant::QuantParams>& lefts,
                                                    const std::vector<quant::QuantParams>& right) {
  PTQ_CHECK(!lefts.empty() && right.size() == right_parts());
  std::vector<OpIntervals> candidates;
  for (const quant::QuantParams& left : lefts) {
    candidates.push_back({left, right});
  }
  Packed packed;
  packed.right.resize(right.size());
  packed.right_codes.resize(right.size());
  const CodeContainer container = Container(candidates[0]);
  const int64_t copies = sample_.shared_right ? 1 : sample_.products();
  for (size_t part = 0; part < right.size(); ++part) {
    packed.right[part].resize(copies);
    std::vector<Workspace> workspaces(threads_);
    ParallelFor(threads_, threads_, [&](int64_t worker) {
      for (int64_t product = worker; product < copies; product += threads_) {
        PackRight(right[part], container, product, part, workspaces[worker], &packed.right[part][product]);
      }
    });
    if (options_.corrected) {
      packed.right_codes[part] = workspaces[0].codes;
    }
  }
  PTQ_ASSIGN_OR_RETURN(const std::vector<std::vector<double>> of_parts, ScoreAll(candidates, packed));
  std::vector<double> scores;
  for (const std::vector<double>& each : of_parts) {
    scores.push_back(std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(each.size()));
  }
  return scores;
}

Result<std::vector<std::vector<double>>> OpObjective::ScoreRights(
    const quant::QuantParams& left, const std::vector<std::vector<quant::QuantParams>>& rights) {
  PTQ_CHECK(!rights.empty());
  std::vector<OpIntervals> candidates;
  for (const std::vector<quant::QuantParams>& right : rights) {
    PTQ_CHECK(right.size() == right_parts());
    candidates.push_back({left, right});
  }
  Packed packed;
  packed.left.resize(sample_.products());
  const CodeContainer container = Container(candidates[0]);
  std::vector<Workspace> workspaces(threads_);
  ParallelFor(threads_, threads_, [&](int64_t worker) {
    for (int64_t product = worker; product < sample_.products(); product += threads_) {
      PackLeft(left, container, product, workspaces[worker], &packed.left[product]);
    }
  });
  if (options_.corrected) {
    packed.left_sums = LeftSums(left, workspaces[0]);
  }
  return ScoreAll(candidates, packed);
}

std::vector<double> OpObjective::PlainScore(const OpIntervals& intervals) const {
  const OpSample& s = sample_;
  std::vector<double> scores;
  for (int64_t part = 0; part < options_.right_parts; ++part) {
    // The part's whole output, (images, heads, rows, width).
    std::vector<float> o, o_hat;
    const quant::QuantParams& right = intervals.right[part];
    for (int64_t product = 0; product < s.products(); ++product) {
      const float* rights = s.right + (s.shared_right ? part * width() : product * s.columns) * s.inner;
      for (int64_t row = 0; row < s.rows; ++row) {
        for (int64_t c = 0; c < width(); ++c) {
          double sum = 0;
          for (int64_t k = 0; k < s.inner; ++k) {
            const float x = s.left[(product * s.rows + row) * s.inner + k];
            sum += static_cast<double>(quant::FakeQuantizeScalar(x, intervals.left)) *
                   static_cast<double>(
                       quant::FakeQuantizeScalar(rights[c * s.inner + k], right, right.scale.size() == 1 ? 0 : c));
          }
          o.push_back(Target(product, part)[row * s.columns + c]);
          o_hat.push_back(static_cast<float>(sum));
        }
      }
    }
    const int64_t map = s.heads * s.rows * width();
    double ranking = 0;
    for (int64_t image = 0; image < s.images && Ranks(part); ++image) {
      ranking += ranking_->PlainLoss(part, image, o_hat.data() + image * map);
    }
    if (options_.corrected) {
      RemoveColumnMeans(o, width(), &o_hat);
    }
    scores.push_back(PlainSimilarity(o, o_hat, options_.similarity, s, width()) -
                     (ranking_ == nullptr ? 0.0 : ranking_->Penalty(ranking)));
  }
  return scores;
}

}  // namespace ptq::search
