#include "experiments/plan_text.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <numeric>

namespace ptq::experiments {
namespace {

constexpr size_t kFrontPoints = 20;

using Rows = std::vector<std::vector<std::string>>;

__attribute__((format(printf, 1, 2))) std::string Print(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

// Columns as wide as their widest cell, two blanks apart.
std::string Aligned(const Rows& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::max(widths[c], row[c].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      line += row[c] + std::string(widths[c] + 2 - row[c].size(), ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string Megabytes(const std::optional<double>& bytes) {
  return bytes ? Print("%.3f MB", *bytes / 1e6) : "not known";
}

template <typename T>
std::string Interval(const std::vector<T>& values, const char* format) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const std::string text = Print(format, *low);
  return *low == *high ? text : text + ".." + Print(format, *high);
}

// "8 bits", "4 bits", "0..8 bits (mean 3.97)".
std::string BitsText(const results::OperandRecord& operand) {
  if (operand.channel_bits.empty()) {
    return std::to_string(operand.num_bits) + " bits";
  }
  const double sum = std::accumulate(operand.channel_bits.begin(), operand.channel_bits.end(), 0.0);
  return Interval(operand.channel_bits, "%d") +
         Print(" bits (mean %.4g)", sum / static_cast<double>(operand.channel_bits.size()));
}

// "symmetric_full 8 bits, per_tensor scale 0.0123", with what else is not as everywhere.
std::string OperandText(const results::OperandRecord& operand) {
  std::string text = operand.grid + " " + BitsText(operand) + ", " + operand.granularity;
  if (operand.scale.empty()) {
    return text;
  }
  const std::vector<double> scale(operand.scale.begin(), operand.scale.end());
  text += " scale " + Interval(scale, "%.4g");
  if (scale.size() > 1) {
    const size_t values = std::set<double>(scale.begin(), scale.end()).size();
    text += " (" + std::to_string(scale.size()) + " channels, " + std::to_string(values) +
            (values == 1 ? " value)" : " values)");
  }
  if (std::any_of(operand.zero_point.begin(), operand.zero_point.end(), [](int32_t z) { return z != 0; })) {
    text += ", zero point " + Interval(operand.zero_point, "%d");
  }
  if (!operand.second_scale.empty()) {
    text += ", second scale " + Interval(operand.second_scale, "%.4g");
  }
  if (!operand.correction.empty()) {
    text += ", correction " + Interval(operand.correction, "%.4g");
  }
  return text;
}

std::string OpsText(const PlanView& view) {
  struct Sides {
    std::string left = "float32", right = "float32";
  };
  std::vector<std::string> order;
  std::map<std::string, Sides> ops;
  for (const results::OperandRecord& operand : view.operands) {
    if (ops.count(operand.op) == 0) {
      order.push_back(operand.op);
    }
    Sides& sides = ops[operand.op];
    (operand.side == "left" ? sides.left : sides.right) = OperandText(operand);
  }
  Rows rows = {{"op", "left", "right"}};
  if (view.replaced) {
    rows[0].push_back("corrected bias");
  }
  std::set<std::string> biases;
  for (const std::string& op : order) {
    rows.push_back({op, ops[op].left, ops[op].right});
    if (view.replaced) {
      biases.insert(op + ".bias");
      const Result<vit::OpId> id = vit::ParseOp(op);
      const bool has_bias = !id.ok() || id->has_weight();
      rows.back().push_back(!has_bias ? "-" : view.replaced->count(op + ".bias") != 0 ? "yes" : "no");
    }
  }
  std::string text = "\n" + Aligned(rows);
  for (const std::string& name : view.replaced.value_or(std::set<std::string>())) {
    text += biases.count(name) != 0 ? "" : "replaced: " + name + "\n";
  }
  return text;
}

std::string NormInputsText(const PlanView& view) {
  if (view.norm_inputs.empty()) {
    return "";
  }
  Rows rows = {{"LayerNorm", "input"}};
  for (const results::OperandRecord& input : view.norm_inputs) {
    rows.push_back({input.op, OperandText(input)});
  }
  return "\n" + Aligned(rows);
}

double AverageBits(const method::BitAllocation& allocation, const std::vector<int>& bits) {
  double sum = 0;
  double parameters = 0;
  for (size_t g = 0; g < bits.size(); ++g) {
    const auto count = static_cast<double>(allocation.groups[g].parameters);
    sum += count * bits[g];
    parameters += count;
  }
  return sum / parameters;
}

std::string GroupsText(const method::BitAllocation& allocation) {
  Rows rows = {{"group", "parameters", "nuclear norm"}};
  for (const int bits : allocation.candidate_bits) {
    rows[0].push_back("omega at " + std::to_string(bits));
  }
  rows[0].push_back("bits");
  for (size_t g = 0; g < allocation.groups.size(); ++g) {
    const method::BitAllocation::Group& group = allocation.groups[g];
    rows.push_back({group.name, std::to_string(group.parameters), Print("%.6g", group.nuclear_norm)});
    for (const double omega : group.omega) {
      rows.back().push_back(Print("%.6g", omega));
    }
    rows.back().push_back(std::to_string(allocation.choice().bits[g]));
  }
  return Print("\nmixed precision around %d bits, at most %.3f MB as the paper counts; omega: sensitivity at a width\n",
               allocation.target_bits, allocation.budget_bytes / 1e6) +
         Aligned(rows);
}

std::string FrontText(const method::BitAllocation& allocation, bool whole_front) {
  const size_t count = allocation.front.size();
  const auto chosen = static_cast<size_t>(allocation.chosen);
  size_t begin = 0;
  size_t end = count;
  if (!whole_front && count > kFrontPoints) {
    end = std::min(count, std::max(kFrontPoints, chosen + kFrontPoints / 2));
    begin = end - kFrontPoints;
  }
  Rows rows = {{"", "paper MB", "average bits", "omega"}};
  for (size_t p = begin; p < end; ++p) {
    const method::BitAllocation::Point& point = allocation.front[p];
    rows.push_back({p == chosen ? "*" : "", Print("%.3f", point.size_bytes / 1e6),
                    Print("%.3f", AverageBits(allocation, point.bits)), Print("%.6g", point.omega)});
  }
  std::string text = "\nPareto front: " + std::to_string(count) + (count == 1 ? " point" : " points") + ", * chosen";
  if (end - begin < count) {
    text += "; " + std::to_string(begin + 1) + " to " + std::to_string(end) + " here, all with --front";
  }
  return text + "\n" + Aligned(rows);
}

results::OperandRecord Record(const std::string& op, const std::string& side, const quant::QuantParams& params) {
  return {op,
          side,
          quant::Name(params.grid),
          params.num_bits,
          quant::Name(params.granularity),
          params.axis,
          params.scale,
          params.zero_point,
          params.second_scale,
          params.channel_bits,
          params.correction};
}

}  // namespace

std::vector<results::OperandRecord> OperandRecords(const method::Plan& plan) {
  std::vector<results::OperandRecord> records;
  for (const auto& [operand, params] : plan.operands) {
    records.push_back(Record(operand.op.name(), vit::Name(operand.side), params));
  }
  return records;
}

std::vector<results::OperandRecord> NormInputRecords(const method::Plan& plan) {
  std::vector<results::OperandRecord> records;
  for (const auto& [norm, params] : plan.norm_inputs) {
    records.push_back(Record(norm.name(), "", params));
  }
  return records;
}

std::string PlanText(const PlanView& view, bool whole_front) {
  Rows rows;
  for (const auto& [name, value] : view.fields) {
    rows.push_back({name, value});
  }
  for (const auto& [name, value] : view.notes) {
    std::string title = name;
    std::replace(title.begin(), title.end(), '_', ' ');
    rows.push_back({"note: " + title, value});
  }
  if (!view.simulated_only.empty()) {
    std::string grids;
    for (const std::string& grid : view.simulated_only) {
      grids += (grids.empty() ? "" : ", ") + grid;
    }
    rows.push_back({"simulated only", grids + " (no integer kernel can run it)"});
  }
  rows.push_back({"model size", Megabytes(view.true_bytes)});
  rows.push_back({"as the paper counts", Megabytes(view.paper_bytes)});
  std::string text = Aligned(rows);
  text += view.operands.empty() ? "\nno operand is quantized\n" : OpsText(view);
  text += NormInputsText(view);
  if (view.allocation) {
    text += GroupsText(*view.allocation) + FrontText(*view.allocation, whole_front);
  }
  return text;
}

}  // namespace ptq::experiments
