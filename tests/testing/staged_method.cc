#include "tests/testing/staged_method.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/method/range_plan.h"

namespace ptq::testing {
namespace {

using method::BitAllocation;

Status CheckPattern(const std::string& text) {
  if (text.empty() || text.find_first_not_of("hl") != std::string::npos) {
    return InvalidArgument("write letters h and l, such as 'hl'");
  }
  return OkStatus();
}

std::string GroupOf(const vit::OpId& op) {
  if (op.block < 0) {
    return op.name();
  }
  return "blocks." + std::to_string(op.block) + (op.in_attention() ? ".attn" : ".mlp");
}

std::string KindOf(const vit::OpId& op) { return op.block < 0 ? "op" : op.in_attention() ? "attn" : "mlp"; }

class Staged final : public method::Method {
 public:
  Staged() {
    info_.id = "staged";
    info_.summary = "Min-max ranges, shrunk, weight by weight.";
    info_.citation = "none: made for tests";
    info_.published_as = "Staged";
    info_.mixes_bits = true;
    method::ParameterSpec shrink{"shrink", 0.9, "part of a weight's range that is covered", 0.1, 1.0, {}};
    shrink.used_when = {"shrink_weights", true};
    method::ParameterSpec pattern{"pattern", std::string("hl"), "which groups keep the target bits", {}, {}, {}};
    pattern.check = CheckPattern;
    pattern.examples = {"lh", "hhl"};
    pattern.mixed_only = true;
    info_.parameters = {{"shrink_weights", true, "whether the ranges of weights are shrunk", {}, {}, {}},
                        std::move(shrink),
                        std::move(pattern),
                        {"read_labels", false, "whether the note `labels` lists the classes", {}, {}, {}},
                        {"extras", false, "whether the plan uses what few methods use", {}, {}, {}}};
  }
  const method::MethodInfo& info() const override { return info_; }

  Status Supports(const method::Scheme& scheme, const method::Parameters&, const vit::VitConfig&) const override {
    if (scheme.mixed && scheme.weight_bits < 4) {
      return Unsupported("staged mixes around 4 bits or more");
    }
    return OkStatus();
  }

  bool NeedsLabels(const method::Parameters& parameters) const override { return parameters.Bool("read_labels"); }

  Result<method::Plan> Quantize(const method::QuantizeInputs& inputs) const override {
    method::Scheme plain = inputs.scheme;
    plain.mixed = false;
    method::RangeRules rules;
    rules.statistics.histogram = false;
    rules.activation_range = [](const vit::OperandId&, const calib::TensorStatistics& seen) {
      return quant::Range{{seen.min()}, {seen.max()}};
    };
    rules.weight_range = quant::RangeOf;
    const method::QuantizeInputs of_plain{inputs.model,    inputs.calibration, plain, inputs.parameters, inputs.random,
                                          inputs.progress, inputs.checkpoint};
    PTQ_ASSIGN_OR_RETURN(method::Plan plan, method::PlanFromRanges(of_plain, rules));
    std::map<std::string, int> bits;
    if (inputs.scheme.mixed) {
      plan.allocation = Allocate(inputs, plan, &bits);
    }
    inputs.progress.Begin("shrink weights", static_cast<int64_t>(plan.operands.size()));
    for (auto& [operand, params] : plan.operands) {
      if (inputs.progress.stop_requested()) {
        return Interrupted("stopped while shrinking weights");
      }
      inputs.progress.Detail(operand.op.name());
      if (inputs.scheme.mixed) {
        const int width = bits.at(GroupOf(operand.op));
        for (float& scale : params.scale) {
          scale *= static_cast<float>(1 << (params.num_bits - width));
        }
        for (int32_t& zero_point : params.zero_point) {
          zero_point >>= params.num_bits - width;
        }
        params.num_bits = width;
      }
      if (operand.is_weight()) {
        PTQ_ASSIGN_OR_RETURN(params, Weight(inputs, operand, params.num_bits));
      }
      inputs.progress.Advance(1);
    }
    inputs.progress.End();
    plan.notes["operands"] = std::to_string(plan.operands.size());
    if (inputs.parameters.Bool("read_labels")) {
      PTQ_ASSIGN_OR_RETURN(const std::vector<int64_t> labels, inputs.calibration.Labels());
      std::string& note = plan.notes["labels"];
      for (const int64_t label : labels) {
        note += (note.empty() ? "" : " ") + std::to_string(label);
      }
    }
    if (inputs.parameters.Bool("extras")) {
      AddExtras(inputs.model.config(), &plan);
    }
    return plan;
  }

 private:
  static void AddExtras(const vit::VitConfig& config, method::Plan* plan) {
    for (auto& [operand, params] : plan->operands) {
      if (operand.op.kind == vit::OpKind::kPv && operand.side == vit::Side::kLeft) {
        params.grid = quant::Grid::kLog2;
        params.scale = {1};
        params.zero_point = {0};
      }
      if (operand.op.kind == vit::OpKind::kHead && operand.is_weight()) {
        params.correction.assign(params.scale.size(), params.scale[0] / 4);
        if (params.granularity == quant::Granularity::kPerChannel) {
          params.channel_bits.assign(params.scale.size(), params.num_bits);
          params.channel_bits[0] = params.num_bits - 1;
        }
      }
    }
    for (const vit::NormId& norm : vit::AllNorms(config)) {
      quant::QuantParams params;
      params.grid = quant::Grid::kSymmetricFull;
      params.scale = {0.0625F};
      params.zero_point = {0};
      plan->norm_inputs[norm] = params;
    }
  }

  // Two points: every group at two bits less than the target, and the pattern's choice.
  static BitAllocation Allocate(const method::QuantizeInputs& inputs, const method::Plan& plan,
                                std::map<std::string, int>* bits) {
    const vit::VitConfig& config = inputs.model.config();
    const int target = inputs.scheme.weight_bits;
    const std::string& pattern = inputs.parameters.String("pattern");
    BitAllocation allocation;
    allocation.target_bits = target;
    allocation.candidate_bits = {target - 2, target};
    allocation.budget_bytes = method::SizeUnder(plan, config).paper_bytes;
    double all_bytes = allocation.budget_bytes;
    BitAllocation::Point low;
    BitAllocation::Point mix;
    for (const vit::OpId& op : vit::AllOps(config)) {
      if (!inputs.scheme.Covers(op)) {
        continue;
      }
      const std::string name = GroupOf(op);
      if (bits->count(name) == 0) {
        const size_t g = allocation.groups.size();
        const int width = pattern[g % pattern.size()] == 'h' ? target : target - 2;
        const auto omega = static_cast<double>(g + 1);
        allocation.groups.push_back({name, KindOf(op), 0, omega, {2 * omega, omega}});
        low.bits.push_back(target - 2);
        mix.bits.push_back(width);
        low.omega += 2 * omega;
        mix.omega += width == target ? omega : 2 * omega;
        (*bits)[name] = width;
      }
      if (op.has_weight()) {
        for (auto& group : allocation.groups) {
          group.parameters += group.name == name ? inputs.model.parameter(op.weight_name()).numel() +
                                                       inputs.model.parameter(op.bias_name()).numel()
                                                 : 0;
        }
      }
    }
    low.size_bytes = mix.size_bytes = all_bytes;
    for (size_t g = 0; g < allocation.groups.size(); ++g) {
      const auto count = static_cast<double>(allocation.groups[g].parameters);
      low.size_bytes -= count * 2 / 8;
      mix.size_bytes -= count * (target - mix.bits[g]) / 8;
    }
    allocation.front = {low};
    if (mix.bits != low.bits) {
      allocation.front.push_back(mix);
    }
    allocation.chosen = static_cast<int64_t>(allocation.front.size()) - 1;
    return allocation;
  }

  static std::string Text(const std::vector<float>& scales) {
    std::string text;
    for (const float scale : scales) {
      char number[48];
      std::snprintf(number, sizeof(number), "%a ", static_cast<double>(scale));
      text += number;
    }
    return text;
  }

  static std::vector<float> Numbers(const std::string& text) {
    std::vector<float> numbers;
    const char* at = text.c_str();
    for (char* end = nullptr;; at = end) {
      const float number = std::strtof(at, &end);
      if (end == at) {
        return numbers;
      }
      numbers.push_back(number);
    }
  }

  static Result<quant::QuantParams> Weight(const method::QuantizeInputs& inputs, const vit::OperandId& operand,
                                           int bits) {
    const double shrink = inputs.parameters.Bool("shrink_weights") ? inputs.parameters.Double("shrink") : 1;
    const bool is_qkv = operand.op.kind == vit::OpKind::kQkv;
    const auto granularity = is_qkv ? quant::Granularity::kPerChannel : inputs.scheme.weight_granularity;
    const std::string key = operand.name() + " bits=" + std::to_string(bits) + " shrink=" + method::ToString(shrink) +
                            " " + quant::Name(inputs.scheme.weight_granularity);
    PTQ_ASSIGN_OR_RETURN(const std::optional<std::string> found, inputs.checkpoint.Find(key));
    if (found) {
      quant::QuantParams params;
      params.grid = quant::Grid::kSymmetricFull;
      params.num_bits = bits;
      params.granularity = granularity;
      params.scale = Numbers(*found);
      params.axis = granularity == quant::Granularity::kPerChannel ? 0 : -1;
      params.zero_point.assign(params.scale.size(), 0);
      return params;
    }
    PTQ_ASSIGN_OR_RETURN(quant::Range range,
                         quant::RangeOf(inputs.model.parameter(operand.op.weight_name()), granularity));
    const bool is_three_linears = is_qkv && inputs.scheme.weight_granularity == quant::Granularity::kPerTensor;
    const size_t part = is_three_linears ? range.min.size() / 3 : 1;
    for (size_t begin = 0; begin < range.min.size(); begin += part) {
      float bound = 0;
      for (size_t c = begin; c < begin + part; ++c) {
        bound = std::max({bound, std::abs(range.min[c]), std::abs(range.max[c])});
      }
      for (size_t c = begin; c < begin + part; ++c) {
        range.max[c] = static_cast<float>(bound * shrink);
        range.min[c] = -range.max[c];
      }
    }
    PTQ_ASSIGN_OR_RETURN(const quant::QuantParams params,
                         quant::WeightParams(quant::Grid::kSymmetricFull, bits, granularity, range));
    PTQ_RETURN_IF_ERROR(inputs.checkpoint.Keep(key, Text(params.scale)));
    return params;
  }

  method::MethodInfo info_;
};

}  // namespace

std::unique_ptr<method::Method> MakeStaged() { return std::make_unique<Staged>(); }

}  // namespace ptq::testing
