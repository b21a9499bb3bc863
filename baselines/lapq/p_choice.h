// p_choice.h: which p of the layer-wise L_p step sizes suits the whole network (LAPQ, stage 2).
//
// A parabola through the losses at ten p, and what to do where it has no usable minimum.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace ptq::baselines::lapq {

// Ten values from 2 to 4, both included (the official code's grid).
std::vector<double> PGrid();

// c0 + c1 (p - centre) + c2 (p - centre)^2, least squares.
struct Parabola {
  double centre = 0, c0 = 0, c1 = 0, c2 = 0;
  bool has_minimum() const { return c2 > 0; }
  double vertex() const { return centre - c1 / (2 * c2); }
};
// As many losses as p, three different p at least.
Parabola FitParabola(const std::vector<double>& p, const std::vector<double>& losses);

struct PChoice {
  double p = 0;
  double loss = 0;
  std::string rule;  // "vertex", "grid: the parabola is concave", "grid: the vertex is outside 2..4", ...
};

// The vertex of the parabola through loss(p) on the grid; the grid's best p (the first of equals) where the parabola
// opens downwards, the vertex lies outside the grid, or the loss there is above the grid's least.  The loss at the
// vertex is asked for only where it may be chosen.  Errors: those of loss.
Result<PChoice> ChooseP(const std::vector<double>& grid, const std::function<Result<double>(double p)>& loss);

}  // namespace ptq::baselines::lapq
