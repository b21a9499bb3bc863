#include "core/search/cosine_objective.h"

#include <algorithm>

#include "core/quant/fake_quant.h"
#include "core/quant/reference.h"
#include "core/search/candidate_groups.h"
#include "core/search/code_bounds.h"
#include "core/search/column_scores.h"

namespace ptq::search {
namespace {

float ScaleOf(const quant::QuantParams& params, int64_t channel) {
  return params.scale[params.scale.size() == 1 ? 0 : channel];
}

ErrorSums Sum(const ErrorSums& a, const ErrorSums& b) { return {a.e + b.e, a.ee + b.ee, a.et + b.et}; }

}  // namespace

struct CosineObjective::Intervals {
  const quant::QuantParams* left;
  const quant::QuantParams* right;
};

// The operand that candidates share, packed once; the side that varies is empty.
struct CosineObjective::Packed {
  std::vector<LeftCodes> left;    // per product
  std::vector<RightCodes> right;  // one, or per product
  std::vector<double> squared_norms;
};

// One candidate while it is scored.
struct CosineObjective::Scored {
  Intervals intervals{};
  CodeContainer container = CodeContainer::kInt8;
  LeftCodes left;
  std::vector<RightCodes> rights;  // per part
  std::vector<float> scale;        // per column
  std::vector<ErrorSums> sums;     // (parts, domains)
};

struct CosineObjective::Workspace {
  std::vector<int32_t> codes;
  std::vector<float> zeros;
  std::vector<ErrorSums> rows;
  std::vector<Scored> scored;
};

CosineObjective::CosineObjective(const OpSample& sample, const CosineOptions& options, int threads,
                                 std::function<bool()> stop)
    : sample_(sample), options_(options), threads_(threads), stop_(std::move(stop)) {
  PTQ_CHECK(options.right_parts == 1 || (!options.per_column && sample.columns % options.right_parts == 0));
  PTQ_CHECK(sample.shared_right || (!options.per_column && options.right_parts == 1));
}

CodeContainer CosineObjective::Container(const quant::QuantParams& left, const quant::QuantParams& right) const {
  return ContainerFor(BoundsOf(left), BoundsOf(right), sample_.inner);
}

void CosineObjective::PackLeft(const quant::QuantParams& params, CodeContainer container, int64_t product,
                               Workspace& work, LeftCodes* codes) const {
  const int64_t size = sample_.rows * sample_.inner;
  work.codes.resize(size);
  quant::CodesLessZeroPoint(sample_.left + product * size, size, params, 0, work.codes.data());
  codes->Assign(container, BoundsOf(params), work.codes.data(), sample_.rows, sample_.inner);
}

void CosineObjective::PackRight(const quant::QuantParams& params, CodeContainer container, int64_t product,
                                int64_t part, int64_t parts, Workspace& work, RightCodes* codes) const {
  const int64_t inner = sample_.inner, width = sample_.columns / parts, first = part * width;
  const float* right = sample_.right + ((sample_.shared_right ? 0 : product * sample_.columns) + first) * inner;
  work.codes.resize(width * inner);
  for (int64_t c = 0; c < width; ++c) {
    quant::CodesLessZeroPoint(right + c * inner, inner, params, params.scale.size() == 1 ? 0 : first + c,
                              work.codes.data() + c * inner);
  }
  codes->Assign(container, BoundsOf(params), work.codes.data(), width, inner);
}

int64_t CosineObjective::domains() const {
  return sample_.products() * (options_.domain == ScoreDomain::kRow ? sample_.rows : 1);
}

// |o|^2 of each part and domain.
std::vector<double> CosineObjective::SquaredNorms(int64_t parts) const {
  const OpSample& s = sample_;
  const int64_t width = s.columns / parts;
  std::vector<double> norms(parts * domains(), 0.0);
  for (int64_t row = 0; row < s.products() * s.rows; ++row) {
    const int64_t domain = options_.domain == ScoreDomain::kRow ? row : row / s.rows;
    for (int64_t part = 0; part < parts; ++part) {
      const float* o = s.target + row * s.columns + part * width;
      double& norm = norms[part * domains() + domain];
      for (int64_t c = 0; c < width; ++c) {
        norm += static_cast<double>(o[c]) * static_cast<double>(o[c]);
      }
    }
  }
  return norms;
}

void CosineObjective::AddProduct(int64_t product, int64_t parts, const Packed& packed, Workspace& work,
                                 Scored* scored) const {
  const OpSample& s = sample_;
  const int64_t width = s.columns / parts;
  if (packed.left.empty()) {
    PackLeft(*scored->intervals.left, scored->container, product, work, &scored->left);
  }
  const LeftCodes& left = packed.left.empty() ? scored->left : packed.left[product];
  for (int64_t part = 0; part < parts; ++part) {
    if (packed.right.empty() && (!s.shared_right || product == 0)) {
      PackRight(*scored->intervals.right, scored->container, product, part, parts, work, &scored->rights[part]);
    }
    const RightCodes& right = packed.right.empty() ? scored->rights[part] : packed.right[s.shared_right ? 0 : product];
    CompareProduct(left, right, {s.target + product * s.rows * s.columns + part * width, s.columns},
                   scored->scale.data() + part * width, work.zeros.data(), work.rows.data(), nullptr);
    ErrorSums* sums = scored->sums.data() + part * domains();
    for (int64_t row = 0; row < s.rows; ++row) {
      ErrorSums& domain = sums[options_.domain == ScoreDomain::kRow ? product * s.rows + row : product];
      domain = Sum(domain, work.rows[row]);
    }
  }
}

void CosineObjective::ScoreGroup(const std::vector<Intervals>& candidates, size_t begin, size_t end, int64_t parts,
                                 const Packed& packed, Workspace& work,
                                 std::vector<std::vector<double>>* scores) const {
  const size_t count = end - begin;
  work.zeros.assign(sample_.columns, 0.0F);
  work.rows.resize(sample_.rows);
  work.scored.resize(std::max(work.scored.size(), count));
  for (size_t i = 0; i < count; ++i) {
    Scored& scored = work.scored[i];
    scored.intervals = candidates[begin + i];
    scored.container = Container(*scored.intervals.left, *scored.intervals.right);
    scored.rights.resize(parts);
    scored.sums.assign(parts * domains(), ErrorSums{});
    scored.scale.resize(sample_.columns);
    for (int64_t c = 0; c < sample_.columns; ++c) {
      scored.scale[c] = static_cast<float>(static_cast<double>(scored.intervals.left->scale[0]) *
                                           static_cast<double>(ScaleOf(*scored.intervals.right, c)));
    }
  }
  for (int64_t product = 0; product < sample_.products(); ++product) {
    for (size_t i = 0; i < count; ++i) {
      AddProduct(product, parts, packed, work, &work.scored[i]);
    }
  }
  for (size_t i = 0; i < count; ++i) {
    std::vector<double>& of_parts = (*scores)[begin + i];
    for (int64_t part = 0; part < parts; ++part) {
      double sum = 0;
      for (int64_t d = part * domains(); d < (part + 1) * domains(); ++d) {
        sum += OutputScore(options_.metric, packed.squared_norms[d], work.scored[i].sums[d]);
      }
      of_parts.push_back(sum / static_cast<double>(domains()));
    }
  }
}

Result<std::vector<std::vector<double>>> CosineObjective::ScoreMaps(const std::vector<Intervals>& candidates,
                                                                    int64_t parts, const Packed& packed) const {
  std::vector<std::vector<double>> scores(candidates.size());
  std::vector<Workspace> workspaces(threads_);
  PTQ_RETURN_IF_ERROR(
      ForCandidateGroups(threads_, candidates.size(), stop_, [&](size_t worker, size_t begin, size_t end) {
        ScoreGroup(candidates, begin, end, parts, packed, workspaces[worker], &scores);
      }));
  return scores;
}

Result<std::vector<double>> CosineObjective::ScoreLefts(const std::vector<quant::QuantParams>& lefts,
                                                        const quant::QuantParams& right) {
  PTQ_CHECK(!lefts.empty());
  std::vector<Intervals> candidates;
  for (const quant::QuantParams& left : lefts) {
    candidates.push_back({&left, &right});
  }
  Packed packed;
  packed.squared_norms = SquaredNorms(1);
  packed.right.resize(sample_.shared_right ? 1 : sample_.products());
  const CodeContainer container = Container(lefts[0], right);
  std::vector<Workspace> workspaces(threads_);
  ParallelFor(threads_, threads_, [&](int64_t worker) {
    for (size_t product = worker; product < packed.right.size(); product += threads_) {
      PackRight(right, container, static_cast<int64_t>(product), 0, 1, workspaces[worker], &packed.right[product]);
    }
  });
  PTQ_ASSIGN_OR_RETURN(const auto of_parts, ScoreMaps(candidates, 1, packed));
  std::vector<double> scores;
  for (const std::vector<double>& score : of_parts) {
    scores.push_back(score[0]);
  }
  return scores;
}

Result<std::vector<std::vector<double>>> CosineObjective::ScoreRights(const quant::QuantParams& left,
                                                                      const std::vector<quant::QuantParams>& rights) {
  PTQ_CHECK(!rights.empty());
  if (options_.per_column) {
    return ScoreColumns(sample_, options_.metric, left, rights, threads_, stop_);
  }
  std::vector<Intervals> candidates;
  for (const quant::QuantParams& right : rights) {
    candidates.push_back({&left, &right});
  }
  Packed packed;
  packed.squared_norms = SquaredNorms(options_.right_parts);
  packed.left.resize(sample_.products());
  const CodeContainer container = Container(left, rights[0]);
  std::vector<Workspace> workspaces(threads_);
  ParallelFor(threads_, threads_, [&](int64_t worker) {
    for (int64_t product = worker; product < sample_.products(); product += threads_) {
      PackLeft(left, container, product, workspaces[worker], &packed.left[product]);
    }
  });
  return ScoreMaps(candidates, options_.right_parts, packed);
}

std::vector<float> CosineObjective::PlainOutput(const quant::QuantParams& left, const quant::QuantParams& right) const {
  const OpSample& s = sample_;
  std::vector<float> o_hat;
  for (int64_t row = 0; row < s.products() * s.rows; ++row) {
    const float* rights = s.right + (s.shared_right ? 0 : row / s.rows * s.columns) * s.inner;
    for (int64_t c = 0; c < s.columns; ++c) {
      double sum = 0;
      for (int64_t k = 0; k < s.inner; ++k) {
        sum += static_cast<double>(quant::FakeQuantizeScalar(s.left[row * s.inner + k], left)) *
               static_cast<double>(
                   quant::FakeQuantizeScalar(rights[c * s.inner + k], right, right.scale.size() == 1 ? 0 : c));
      }
      o_hat.push_back(static_cast<float>(sum));
    }
  }
  return o_hat;
}

// The mean score of some columns over domains of so many rows.
double CosineObjective::PlainOver(const std::vector<float>& o_hat, int64_t first_column, int64_t columns,
                                  int64_t rows_of_domain) const {
  const int64_t rows = sample_.products() * sample_.rows;
  double sum = 0;
  for (int64_t first = 0; first < rows; first += rows_of_domain) {
    double oo = 0, oh = 0, hh = 0, ee = 0;
    for (int64_t row = first; row < first + rows_of_domain; ++row) {
      for (int64_t c = first_column; c < first_column + columns; ++c) {
        const auto o = static_cast<double>(sample_.target[row * sample_.columns + c]);
        const auto h = static_cast<double>(o_hat[row * sample_.columns + c]);
        oo += o * o;
        oh += o * h;
        hh += h * h;
        ee += (h - o) * (h - o);
      }
    }
    sum += OutputScore(options_.metric, oo, oh, hh, ee);
  }
  return sum / (static_cast<double>(rows) / static_cast<double>(rows_of_domain));
}

double CosineObjective::PlainScore(const quant::QuantParams& left, const quant::QuantParams& right) const {
  return PlainOver(PlainOutput(left, right), 0, sample_.columns,
                   options_.domain == ScoreDomain::kRow ? 1 : sample_.rows);
}

std::vector<double> CosineObjective::PlainGroupScores(const quant::QuantParams& left,
                                                      const quant::QuantParams& right) const {
  const std::vector<float> o_hat = PlainOutput(left, right);
  const int64_t width = sample_.columns / right_groups();
  const int64_t rows_of_domain = options_.per_column                    ? sample_.products() * sample_.rows
                                 : options_.domain == ScoreDomain::kRow ? 1
                                                                        : sample_.rows;
  std::vector<double> scores;
  for (int64_t group = 0; group < right_groups(); ++group) {
    scores.push_back(PlainOver(o_hat, group * width, width, rows_of_domain));
  }
  return scores;
}

}  // namespace ptq::search
