// method_contract.h: what the tests of the contract share: every registered method on a tiny model.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/method/method.h"
#include "tests/testing/tiny_model.h"

namespace ptq::method {

using Given = std::map<std::string, ParameterValue>;

// The baselines, and the methods that are made for readers and tests: they keep the same laws.
const Registry& Methods();
std::vector<std::string> Ids();

// The plan's encoded form as one string: equal bytes, equal plans.
std::string Bytes(const Plan& plan);

// Legal values of a parameter other than its default.
std::vector<ParameterValue> OtherValues(const ParameterSpec& spec);
// What must be given so that `spec` is read: its condition, the condition's own, and so on.
Given Conditions(const std::vector<ParameterSpec>& specs, const ParameterSpec& spec);
Given With(Given given, const std::string& name, const ParameterValue& value);

// The group that an op's bits come from; null where it is in none.
const BitAllocation::Group* GroupOf(const BitAllocation& allocation, const vit::OpId& op);

// Images that lie in memory, of the classes that the float model gives them.  Whoever reads labels where
// `labels_allowed` is not set fails the running test.  `model` outlives the images.
class LabelledImages final : public calib::ImageSource {
 public:
  LabelledImages(at::Tensor images, const vit::VitModel& model, bool labels_allowed)
      : pixels_(images), images_(std::move(images)), model_(model), labels_allowed_(labels_allowed) {}
  int64_t count() const override { return images_.count(); }
  Status ForEachBatch(int64_t batch_size, const std::function<Status(const at::Tensor&)>& visit) override {
    return images_.ForEachBatch(batch_size, visit);
  }
  Result<std::vector<int64_t>> Labels() override;
  bool labels_were_read() const { return labels_were_read_; }

 private:
  const at::Tensor pixels_;
  testing::MemoryImages images_;
  const vit::VitModel& model_;
  const bool labels_allowed_;
  bool labels_were_read_ = false;
};

class ContractTest : public ::testing::TestWithParam<std::string> {
 protected:
  ContractTest();

  // W8A8 at the granularity that the method meets: per tensor where it can, else per channel.
  Scheme Standard() const;
  // The same with other bits.
  Scheme Standard(int weight_bits, int activation_bits) const;

  Result<Plan> Run(const Scheme& scheme, const Given& given, Progress& progress, Checkpoint& checkpoint) const;
  Result<Plan> Run(const Scheme& scheme, const Given& given, Progress& progress) const;
  Result<Plan> Run(const Scheme& scheme, const Given& given, Checkpoint& checkpoint) const;
  Result<Plan> Run(const Scheme& scheme, const Given& given = {}) const;
  Result<Plan> Run() const { return Run(Standard()); }
  // `given` and, of every whole number that has a least value and is not given, a tenth of its default: budgets of
  // evaluations, candidates and rounds, for the tests that calibrate dozens of times.
  Given Cheaper(const Scheme& scheme, Given given = {}) const;
  Result<Plan> RunCheaply(const Scheme& scheme, const Given& given = {}) const {
    return Run(scheme, Cheaper(scheme, given));
  }
  // The bytes of the plan, or the text of the refusal.
  std::string Answer(const Result<Plan>& plan) const { return plan.ok() ? Bytes(*plan) : plan.error().ToString(); }

  // The standard scheme, and W8A8 MP of a method that mixes.
  std::vector<Scheme> Kinds() const;
  // Those of them under which a parameter is read.
  std::vector<Scheme> Kinds(const ParameterSpec& spec) const;

  // The plan names exactly the scheme's operands, at its bits, fits the model, can be run, and survives being written.
  void ExpectMeets(const Plan& plan, const Scheme& scheme) const;
  // The same, or a refusal that says why.
  void ExpectMeetsOrRefuses(const Result<Plan>& plan, const Scheme& scheme) const;

  vit::VitModel WithDeadHead() const;
  // For the tests that calibrate dozens of times.
  void FewImages() { pixels_ = pixels_.narrow(0, 0, 8); }

  const Method& method_;
  vit::VitModel model_;
  at::Tensor pixels_;

 private:
  int BitsOf(const Plan& plan, const Scheme& scheme, const vit::OperandId& operand) const;
  void ExpectWeightMeets(const vit::OperandId& operand, const quant::QuantParams& params, const Scheme& scheme) const;
};

}  // namespace ptq::method
