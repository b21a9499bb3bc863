#include "baselines/lapq/p_choice.h"

#include <algorithm>
#include <cmath>

namespace ptq::baselines::lapq {

std::vector<double> PGrid() {
  std::vector<double> grid;
  for (int i = 0; i < 10; ++i) {
    grid.push_back(2 + 2.0 * i / 9);
  }
  return grid;
}

Parabola FitParabola(const std::vector<double>& p, const std::vector<double>& losses) {
  PTQ_CHECK(p.size() == losses.size() && p.size() >= 3) << p.size() << ", " << losses.size();
  Parabola fit;
  for (const double each : p) {
    fit.centre += each / static_cast<double>(p.size());
  }
  // Polynomials 1, t and t^2 - a t - b that are orthogonal on the grid: each coefficient is a projection.
  double s0 = 0, s2 = 0, s3 = 0, y0 = 0, y1 = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double t = p[i] - fit.centre;
    s0 += 1;
    s2 += t * t;
    s3 += t * t * t;
    y0 += losses[i];
    y1 += t * losses[i];
  }
  const double a = s3 / s2;
  const double b = s2 / s0;
  double numerator = 0, denominator = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double t = p[i] - fit.centre;
    const double q = t * t - a * t - b;
    numerator += q * losses[i];
    denominator += q * q;
  }
  fit.c2 = numerator / denominator;
  fit.c1 = y1 / s2 - fit.c2 * a;
  fit.c0 = y0 / s0 - fit.c2 * b;
  return fit;
}

Result<PChoice> ChooseP(const std::vector<double>& grid, const std::function<Result<double>(double p)>& loss) {
  std::vector<double> losses;
  for (const double p : grid) {
    PTQ_ASSIGN_OR_RETURN(const double at_p, loss(p));
    losses.push_back(std::isnan(at_p) ? HUGE_VAL : at_p);
  }
  const auto least = std::min_element(losses.begin(), losses.end());
  PChoice choice{grid[static_cast<size_t>(least - losses.begin())], *least, ""};
  if (!std::all_of(losses.begin(), losses.end(), [](double x) { return std::isfinite(x); })) {
    choice.rule = "grid: a loss is not finite";
    return choice;
  }
  if (*std::max_element(losses.begin(), losses.end()) == *least) {
    choice.rule = "grid: all losses are equal";
    return choice;
  }
  const Parabola parabola = FitParabola(grid, losses);
  if (!parabola.has_minimum()) {
    choice.rule = "grid: the parabola is concave";
    return choice;
  }
  const double vertex = parabola.vertex();
  if (!(vertex >= grid.front() && vertex <= grid.back())) {
    choice.rule = "grid: the vertex is outside 2..4";
    return choice;
  }
  PTQ_ASSIGN_OR_RETURN(const double at_vertex, loss(vertex));
  if (!(at_vertex <= *least)) {
    choice.rule = "grid: the loss at the vertex is higher";
    return choice;
  }
  return PChoice{vertex, at_vertex, "vertex"};
}

}  // namespace ptq::baselines::lapq
