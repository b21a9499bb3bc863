#include "core/method/method.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/tiny_config.h"

namespace ptq::method {
namespace {

class NamedMethod final : public Method {
 public:
  explicit NamedMethod(std::string id) {
    info_.id = std::move(id);
    info_.summary = "about " + info_.id;
  }
  const MethodInfo& info() const override { return info_; }
  Status Supports(const Scheme&, const Parameters&, const vit::VitConfig&) const override { return OkStatus(); }
  Result<Plan> Quantize(const QuantizeInputs&) const override { return Plan(); }

 private:
  MethodInfo info_;
};

// 12 blocks: 50 linear layers with an input and a weight each, 24 products with two activations each: 148 scales.
TEST(CoveredOperandsTest, TheDefaultSchemeOfTwelveBlocksHas148Scales) {
  const std::vector<vit::OperandId> operands = CoveredOperands({}, vit::VitConfig());
  EXPECT_EQ(operands.size(), 148U);
  EXPECT_EQ(Activations(operands).size(), 50U + 48U);
  for (size_t i = 1; i < operands.size(); ++i) {
    EXPECT_TRUE(operands[i - 1] < operands[i]) << operands[i].name();
  }
}

TEST(CoveredOperandsTest, FollowsTheSchemesSwitches) {
  Scheme scheme;
  scheme.quantize_attention_products = false;
  EXPECT_EQ(CoveredOperands(scheme, vit::VitConfig()).size(), 100U);
  scheme.quantize_head = false;
  EXPECT_EQ(CoveredOperands(scheme, vit::VitConfig()).size(), 98U);
  scheme.quantize_patch_embed = false;
  EXPECT_EQ(CoveredOperands(scheme, vit::VitConfig()).size(), 96U);
  EXPECT_EQ(CoveredOperands({}, testing::TinyConfig(true)).size(), 30U);
}

TEST(RegistryTest, KeepsTheOrderAndFindsByExactId) {
  Registry registry;
  for (const char* id : {"percentile", "min_max", "aciq2"}) {
    ASSERT_TRUE(registry.Add(std::make_unique<NamedMethod>(id)).ok()) << id;
  }
  ASSERT_EQ(registry.methods().size(), 3U);
  EXPECT_EQ(registry.methods()[0]->info().id, "percentile");
  EXPECT_EQ((*registry.Find("min_max"))->info().id, "min_max");
  EXPECT_EQ((*registry.Find("min_max"))->info().versioned_id(), "min_max@1");
  const Error error = registry.Find("minmax").error();
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_EQ(error.message,
            "no method is called 'minmax'; did you mean 'min_max'? (there are: percentile, min_max, aciq2)");
}

TEST(RegistryTest, RefusesMalformedAndRepeatedIds) {
  Registry registry;
  for (const char* id : {"", "MinMax", "min-max", "min max", "min_max@1", "größe"}) {
    const Status status = registry.Add(std::make_unique<NamedMethod>(id));
    ASSERT_FALSE(status.ok()) << id;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(registry.Add(std::make_unique<NamedMethod>("min_max")).ok());
  const Status twice = registry.Add(std::make_unique<NamedMethod>("min_max"));
  ASSERT_FALSE(twice.ok());
  EXPECT_THAT(twice.error().message, ::testing::HasSubstr("'min_max' is registered twice"));
  EXPECT_EQ(registry.methods().size(), 1U);
}

}  // namespace
}  // namespace ptq::method
