#include "core/method/kept_params.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::method {
namespace {

using quant::Grid;
using quant::QuantParams;

TEST(KeptParamsTest, EveryFieldComesBackBitForBit) {
  QuantParams twin;
  twin.grid = Grid::kTwinSigned;
  twin.num_bits = 6;
  twin.scale = {0.1F};
  twin.zero_point = {0};
  twin.second_scale = {1.0F / 3};
  QuantParams rows;
  rows.grid = Grid::kAffine;
  rows.num_bits = 4;
  rows.granularity = quant::Granularity::kPerChannel;
  rows.axis = 0;
  rows.scale = {1e-30F, 3.4e38F};
  rows.zero_point = {0, 15};
  rows.channel_bits = {3, 5};
  rows.correction = {-0.1F, 1e-9F};
  for (const QuantParams& params : {twin, rows}) {
    const Result<QuantParams> read = ParamsFromKept(ReadKept(ToKept(params).dump()).value());
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, params);
  }
}

TEST(KeptParamsTest, DamageIsToldWithTheMend) {
  const auto parsed = ReadKept("{\"grid\": ");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(parsed.error().message, ::testing::HasSubstr("delete the .calibration file"));
  nlohmann::json object = ToKept({Grid::kSymmetricFull, 8, quant::Granularity::kPerTensor, -1, {1}, {0}});
  object["scale"] = {-1.0};
  EXPECT_FALSE(ParamsFromKept(object).ok());
  object.erase("scale");
  EXPECT_THROW(ParamsFromKept(object), nlohmann::json::exception);
}

}  // namespace
}  // namespace ptq::method
