#include "tests/contract/method_contract.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "baselines/all_baselines.h"
#include "baselines/skeleton/skeleton.h"
#include "core/exec/executor.h"
#include "tests/testing/staged_method.h"

namespace ptq::method {
namespace {

// Whether rows q, rows k and rows v of a fused weight each have one scale and one zero point.
bool IsThreeLinears(const quant::QuantParams& params) {
  const size_t third = params.scale.size() / 3;
  for (size_t row = 0; row < params.scale.size(); ++row) {
    const size_t first = row / third * third;
    if (params.scale[row] != params.scale[first] || params.zero_point[row] != params.zero_point[first]) {
      return false;
    }
  }
  return params.axis == 0 && params.scale.size() == 3 * third;
}

// The names of the grids that no integer kernel runs, told one by one.
std::set<std::string> GridsToSimulate(const Plan& plan) {
  std::set<std::string> names;
  const auto look = [&names](const quant::QuantParams& params) {
    switch (params.grid) {
      case quant::Grid::kSymmetricRestricted:
      case quant::Grid::kSymmetricFull:
      case quant::Grid::kUnsigned:
      case quant::Grid::kAffine:
      case quant::Grid::kSymmetricHalf:
        return;
      default:
        names.insert(quant::Name(params.grid));
    }
  };
  for (const auto& [operand, params] : plan.operands) {
    look(params);
  }
  for (const auto& [norm, params] : plan.norm_inputs) {
    look(params);
  }
  return names;
}

}  // namespace

const Registry& Methods() {
  static const Registry* registry = [] {
    auto* all = new Registry;
    PTQ_CHECK(baselines::RegisterAllBaselines(*all).ok());
    PTQ_CHECK(all->Add(baselines::MakeSkeleton()).ok());
    PTQ_CHECK(all->Add(testing::MakeStaged()).ok());
    return all;
  }();
  return *registry;
}

std::vector<std::string> Ids() {
  std::vector<std::string> ids;
  for (const auto& method : Methods().methods()) {
    ids.push_back(method->info().id);
  }
  return ids;
}

std::string Bytes(const Plan& plan) {
  const EncodedPlan encoded = Encode(plan);
  std::string bytes;
  for (const auto& [key, value] : encoded.metadata) {
    bytes += key + "=" + value + "\n";
  }
  for (const auto& [name, tensor] : encoded.tensors) {
    bytes += name + tensor.ShapeString();
    bytes.append(reinterpret_cast<const char*>(tensor.bytes->data()), tensor.bytes->size());
  }
  return bytes;
}

std::vector<ParameterValue> OtherValues(const ParameterSpec& spec) {
  std::vector<ParameterValue> values;
  if (const bool* flag = std::get_if<bool>(&spec.default_value)) {
    values.emplace_back(!*flag);
  } else if (const int64_t* whole = std::get_if<int64_t>(&spec.default_value)) {
    const double low = spec.min.value_or(static_cast<double>(*whole) - 1);
    const double high = spec.max.value_or(static_cast<double>(*whole) + 1);
    for (const double x : {low, high, std::floor((low + high) / 2)}) {
      values.emplace_back(static_cast<int64_t>(x));
    }
  } else if (const double* real = std::get_if<double>(&spec.default_value)) {
    const double low = spec.min.value_or(*real / 2);
    const double high = spec.max.value_or(*real * 2);
    for (const double x : {low, high, (low + high) / 2}) {
      values.emplace_back(x);
    }
  } else {
    for (const std::string& choice : spec.choices) {
      values.emplace_back(choice);
    }
    for (const std::string& example : spec.examples) {
      values.emplace_back(example);
    }
  }
  values.erase(std::remove(values.begin(), values.end(), spec.default_value), values.end());
  return values;
}

Given Conditions(const std::vector<ParameterSpec>& specs, const ParameterSpec& spec) {
  Given given;
  const ParameterSpec* at = &spec;
  while (at != nullptr && at->used_when && given.count(at->used_when->name) == 0) {
    const UsedWhen& condition = *at->used_when;
    given[condition.name] = condition.value;
    const auto next = std::find_if(specs.begin(), specs.end(), [&](const auto& s) { return s.name == condition.name; });
    at = next == specs.end() ? nullptr : &*next;
  }
  return given;
}

Given With(Given given, const std::string& name, const ParameterValue& value) {
  given[name] = value;
  return given;
}

const BitAllocation::Group* GroupOf(const BitAllocation& allocation, const vit::OpId& op) {
  const std::string block = "blocks." + std::to_string(op.block);
  for (const BitAllocation::Group& group : allocation.groups) {
    if (group.name == op.name() ||
        (op.block >= 0 && group.kind == "attn" && group.name == block + ".attn" && op.in_attention()) ||
        (op.block >= 0 && group.kind == "mlp" && group.name == block + ".mlp" && !op.in_attention())) {
      return &group;
    }
  }
  return nullptr;
}

Result<std::vector<int64_t>> LabelledImages::Labels() {
  if (!labels_allowed_) {
    ADD_FAILURE() << "the method reads labels and NeedsLabels() says that it does not";
    return calib::ImageSource::Labels();
  }
  labels_were_read_ = true;
  std::vector<int64_t> labels;
  vit::OpEngine engine;
  for (int64_t i = 0; i < count(); ++i) {
    labels.push_back(model_.Forward(pixels_.narrow(0, i, 1), engine).argmax().item<int64_t>());
  }
  return labels;
}

ContractTest::ContractTest()
    : method_(**Methods().Find(GetParam())),
      model_(testing::TinyModel(true)),
      pixels_(testing::RandomImages(model_.config(), 24)) {}

Scheme ContractTest::Standard() const {
  Scheme scheme;
  const Parameters parameters = Parameters::Resolve(method_.info().parameters, {}).value();
  if (!CheckSupport(method_, scheme, parameters, model_.config()).ok()) {
    scheme.weight_granularity = quant::Granularity::kPerChannel;
  }
  return scheme;
}

Scheme ContractTest::Standard(int weight_bits, int activation_bits) const {
  Scheme scheme = Standard();
  scheme.weight_bits = weight_bits;
  scheme.activation_bits = activation_bits;
  return scheme;
}

Result<Plan> ContractTest::Run(const Scheme& scheme, const Given& given, Progress& progress,
                               Checkpoint& checkpoint) const {
  PTQ_ASSIGN_OR_RETURN(const Parameters parameters,
                       Parameters::Resolve(method_.info().parameters, given, scheme.mixed));
  PTQ_RETURN_IF_ERROR(CheckSupport(method_, scheme, parameters, model_.config()));
  const bool needs_labels = method_.NeedsLabels(parameters);
  LabelledImages images(pixels_, model_, needs_labels);
  calib::Calibration calibration(model_, images, progress, 16);
  Result<Plan> plan =
      method_.Quantize({model_, calibration, scheme, parameters, RandomStream(1, "contract"), progress, checkpoint});
  EXPECT_TRUE(!plan.ok() || images.labels_were_read() || !needs_labels)
      << "NeedsLabels() says yes to " << parameters.ToString() << " and nothing read them";
  return plan;
}

Result<Plan> ContractTest::Run(const Scheme& scheme, const Given& given, Progress& progress) const {
  NullCheckpoint checkpoint;
  return Run(scheme, given, progress, checkpoint);
}

Result<Plan> ContractTest::Run(const Scheme& scheme, const Given& given, Checkpoint& checkpoint) const {
  NullProgress progress;
  return Run(scheme, given, progress, checkpoint);
}

Result<Plan> ContractTest::Run(const Scheme& scheme, const Given& given) const {
  NullProgress progress;
  return Run(scheme, given, progress);
}

Given ContractTest::Cheaper(const Scheme& scheme, Given given) const {
  const MethodInfo& info = method_.info();
  for (const ParameterSpec& spec : info.parameters) {
    const int64_t* whole = std::get_if<int64_t>(&spec.default_value);
    if (whole == nullptr || !spec.min || given.count(spec.name) != 0) {
      continue;
    }
    const Given cheaper = With(given, spec.name, std::max(static_cast<int64_t>(*spec.min), *whole / 10));
    const Result<Parameters> parameters = Parameters::Resolve(info.parameters, cheaper, scheme.mixed);
    if (parameters.ok() && CheckSupport(method_, scheme, *parameters, model_.config()).ok()) {
      given = cheaper;
    }
  }
  return given;
}

std::vector<Scheme> ContractTest::Kinds() const {
  std::vector<Scheme> kinds(method_.info().mixes_bits ? 2 : 1, Standard());
  kinds.back().mixed = method_.info().mixes_bits;
  return kinds;
}

std::vector<Scheme> ContractTest::Kinds(const ParameterSpec& spec) const {
  std::vector<Scheme> kinds = Kinds();
  if (spec.mixed_only) {
    kinds.erase(kinds.begin());
  }
  return kinds;
}

// The bits that an operand must have.
int ContractTest::BitsOf(const Plan& plan, const Scheme& scheme, const vit::OperandId& operand) const {
  if (!scheme.mixed) {
    return scheme.BitsOf(operand);
  }
  const BitAllocation& allocation = *plan.allocation;
  const BitAllocation::Group* group = GroupOf(allocation, operand.op);
  return group == nullptr ? scheme.BitsOf(operand)
                          : allocation.choice().bits[static_cast<size_t>(group - allocation.groups.data())];
}

// Granularity, and widths of channels, which on the whole may not be more than was asked for.
void ContractTest::ExpectWeightMeets(const vit::OperandId& operand, const quant::QuantParams& params,
                                     const Scheme& scheme) const {
  if (params.granularity != scheme.weight_granularity) {
    ASSERT_EQ(params.granularity, quant::Granularity::kPerChannel) << operand.name();
    EXPECT_TRUE(operand.op.kind == vit::OpKind::kPatchEmbed ||
                (operand.op.kind == vit::OpKind::kQkv && IsThreeLinears(params)))
        << operand.name() << ": granularity";
  }
  if (!params.channel_bits.empty()) {
    EXPECT_EQ(scheme.weight_granularity, quant::Granularity::kPerChannel) << operand.name() << ": widths of channels";
    int64_t bits = 0;
    for (const int32_t width : params.channel_bits) {
      bits += width;
    }
    EXPECT_LE(bits, static_cast<int64_t>(params.channel_bits.size()) * params.num_bits) << operand.name();
  }
}

void ContractTest::ExpectMeets(const Plan& plan, const Scheme& scheme) const {
  std::set<std::string> planned;
  std::set<std::string> covered;
  ASSERT_EQ(plan.allocation.has_value(), scheme.mixed);
  for (const auto& [operand, params] : plan.operands) {
    planned.insert(operand.name());
    EXPECT_EQ(params.num_bits, BitsOf(plan, scheme, operand)) << operand.name();
    if (operand.is_weight()) {
      ExpectWeightMeets(operand, params, scheme);
    } else {
      EXPECT_TRUE(params.channel_bits.empty()) << operand.name() << ": widths of channels belong to weights";
    }
  }
  for (const vit::OperandId& operand : CoveredOperands(scheme, model_.config())) {
    covered.insert(operand.name());
  }
  EXPECT_EQ(planned, covered);
  const std::vector<std::string> told = SimulatedOnlyGrids(plan);
  EXPECT_EQ(std::set<std::string>(told.begin(), told.end()), GridsToSimulate(plan));
  const Status valid = Validate(plan, model_.config());
  EXPECT_TRUE(valid.ok()) << (valid.ok() ? "" : valid.error().ToString());
  EXPECT_TRUE(exec::MakeSimulatedExecutor(model_, plan).ok());
  const Result<Plan> read = Decode(Encode(plan));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(Bytes(*read), Bytes(plan));
  EXPECT_EQ(read->operands, plan.operands);
  EXPECT_EQ(read->norm_inputs, plan.norm_inputs);
  EXPECT_EQ(read->notes, plan.notes);
}

void ContractTest::ExpectMeetsOrRefuses(const Result<Plan>& plan, const Scheme& scheme) const {
  if (plan.ok()) {
    ExpectMeets(*plan, scheme);
    return;
  }
  EXPECT_EQ(plan.error().code, ErrorCode::kUnsupported) << plan.error().ToString();
  EXPECT_GT(plan.error().message.size(), 10U) << "a reason";
}

vit::VitModel ContractTest::WithDeadHead() const {
  const vit::VitConfig& config = model_.config();
  const std::vector<float> zeros(config.classes * config.width, 0.0F);
  return model_.WithReplaced({{"head.weight", vit::MakeTensor(zeros, {config.classes, config.width})}}).value();
}

}  // namespace ptq::method
