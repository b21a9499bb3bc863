#include "core/search/code_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "core/base/random.h"
#include "core/search/code_product_kernels.h"

namespace ptq::search {
namespace {

using internal::InstructionSet;

constexpr CodeBounds kAffine8{-93, 162}, kSymmetric8{-128, 127}, kUnsigned8{0, 255}, kAffine16{-30000, 32767};

std::vector<InstructionSet> SetsOfThisCpu() {
  std::vector<InstructionSet> sets;
  for (InstructionSet set : {InstructionSet::kScalar, InstructionSet::kAvx2, InstructionSet::kAvx512Vnni}) {
    if (internal::CpuHas(set)) {
      sets.push_back(set);
    }
  }
  return sets;
}

InstructionSet BestSet() { return SetsOfThisCpu().back(); }

enum class Pattern { kRandom, kLargest, kSmallest, kOpposed };

struct Shape {
  int64_t rows, columns, inner;
};

// A product's operands and what it is compared with.
struct Problem {
  Problem(Shape problem_shape, CodeBounds left, CodeBounds right, Pattern pattern, int64_t more_stride)
      : shape(problem_shape), left_bounds(left), right_bounds(right) {
    RandomStream stream(1, "code_product_test");
    const bool left_large = pattern == Pattern::kLargest || pattern == Pattern::kOpposed;
    left_codes = Codes(stream, left, shape.rows * shape.inner, pattern == Pattern::kRandom, left_large);
    right_codes =
        Codes(stream, right, shape.columns * shape.inner, pattern == Pattern::kRandom, pattern == Pattern::kLargest);
    target.stride = shape.columns + more_stride;
    target_values = Floats(stream, shape.rows * target.stride, 3);
    target.values = target_values.data();
    scale = Floats(stream, shape.columns, 1e-4);
    offset = Floats(stream, shape.columns, 0.05);
  }

  static std::vector<int32_t> Codes(RandomStream& stream, CodeBounds bounds, int64_t count, bool random, bool large) {
    std::vector<int32_t> codes(count, large ? bounds.max : bounds.min);
    if (random) {
      for (int32_t& code : codes) {
        code = bounds.min + static_cast<int32_t>(stream.NextBelow(static_cast<uint64_t>(bounds.max - bounds.min) + 1));
      }
    }
    return codes;
  }

  static std::vector<float> Floats(RandomStream& stream, int64_t count, double size) {
    std::vector<float> values(count);
    for (float& value : values) {
      value = static_cast<float>(size * stream.NextNormal());
    }
    return values;
  }

  Shape shape;
  CodeBounds left_bounds, right_bounds;
  std::vector<int32_t> left_codes, right_codes;
  std::vector<float> target_values, scale, offset;
  ProductTarget target;
};

struct Outcome {
  std::vector<ErrorSums> sums;
  std::vector<float> o_hat;
};

bool SameBits(const Outcome& a, const Outcome& b) {
  return a.sums.size() == b.sums.size() && a.o_hat.size() == b.o_hat.size() &&
         (a.sums.empty() || std::memcmp(a.sums.data(), b.sums.data(), a.sums.size() * sizeof(ErrorSums)) == 0) &&
         (a.o_hat.empty() || std::memcmp(a.o_hat.data(), b.o_hat.data(), a.o_hat.size() * sizeof(float)) == 0);
}

Outcome EmptyOutcome(const Problem& p, bool with_o_hat) {
  return {std::vector<ErrorSums>(p.shape.rows, {7, 7, 7}),
          std::vector<float>(with_o_hat ? p.shape.rows * p.shape.columns : 0, 7)};
}

Outcome Plain(const Problem& p, bool with_o_hat) {
  Outcome outcome = EmptyOutcome(p, with_o_hat);
  CompareProductPlain(p.left_codes.data(), p.right_codes.data(), p.shape.rows, p.shape.columns, p.shape.inner, p.target,
                      p.scale.data(), p.offset.data(), outcome.sums.data(),
                      with_o_hat ? outcome.o_hat.data() : nullptr);
  return outcome;
}

class CodeProductTest : public ::testing::Test {
 protected:
  ~CodeProductTest() override { internal::UseInstructionSet(BestSet()); }

  Outcome Fast(const Problem& p, CodeContainer container, bool with_o_hat) {
    left_.Assign(container, p.left_bounds, p.left_codes.data(), p.shape.rows, p.shape.inner);
    right_.Assign(container, p.right_bounds, p.right_codes.data(), p.shape.columns, p.shape.inner);
    Outcome outcome = EmptyOutcome(p, with_o_hat);
    CompareProduct(left_, right_, p.target, p.scale.data(), p.offset.data(), outcome.sums.data(),
                   with_o_hat ? outcome.o_hat.data() : nullptr);
    return outcome;
  }

  // Holds every instruction set of this CPU to the plain version.
  void ExpectAllAgree(const Problem& p, CodeContainer container) {
    const Outcome plain = Plain(p, true);
    for (InstructionSet set : SetsOfThisCpu()) {
      internal::UseInstructionSet(set);
      SCOPED_TRACE(std::string(InstructionSetFor(container)) + " " + std::to_string(p.shape.rows) + "x" +
                   std::to_string(p.shape.inner) + "x" + std::to_string(p.shape.columns));
      EXPECT_TRUE(SameBits(Fast(p, container, true), plain));
      EXPECT_TRUE(SameBits(Fast(p, container, false), {plain.sums, {}}));
    }
  }

  // Used over and over, as a search does: what an earlier product left behind must not show.
  LeftCodes left_;
  RightCodes right_;
};

TEST_F(CodeProductTest, PlainFollowsTheDefinition) {
  const std::vector<int32_t> left = {1, 2, -3, 4}, right = {5, -6, 7, 8, 0, 1};
  const std::vector<float> scale = {0.5F, 2, 1}, offset = {1, 0, -1}, target = {0, 40, 1, 99, 30, 12, 2, 99};
  std::vector<ErrorSums> sums(2);
  std::vector<float> o_hat(6);
  CompareProductPlain(left.data(), right.data(), 2, 3, 2, {target.data(), 4}, scale.data(), offset.data(), sums.data(),
                      o_hat.data());
  EXPECT_EQ(o_hat, (std::vector<float>{-3.5F, 46, 2, -19.5F, 22, 4}));
  EXPECT_EQ(sums[0].e, -4.5 + 6 + 2);
  EXPECT_EQ(sums[0].ee, 20.25 + 36 + 4);
  EXPECT_EQ(sums[0].et, 6 * 40 + 2 * 1);
  EXPECT_EQ(sums[1].e, -50.5 + 10 + 3);
  EXPECT_EQ(sums[1].et, -50.5 * 30 + 10 * 12 + 3 * 2);
}

TEST_F(CodeProductTest, OneIsLostOnlyWithinALaneOfABlock) {
  const int64_t columns = 1040;
  std::vector<float> target(columns, 0), scale(columns, 0), offset(columns, 0);
  offset[0] = -16777216;  // 2^24: adding 1 in float32 gives 2^24 again
  offset[16] = -1;        // the same lane
  offset[1] = -1;         // another lane
  offset[1024] = -1;      // another block
  const std::vector<int32_t> left(1, 1), right(columns, 1);
  ErrorSums sums;
  CompareProductPlain(left.data(), right.data(), 1, columns, 1, {target.data(), columns}, scale.data(), offset.data(),
                      &sums, nullptr);
  EXPECT_EQ(sums.e, 16777216.0 + 2);
}

TEST_F(CodeProductTest, ContainerDependsOnSpanAndSum) {
  EXPECT_EQ(ContainerFor(kAffine8, kSymmetric8, 768), CodeContainer::kInt8);
  EXPECT_EQ(ContainerFor(kUnsigned8, kUnsigned8, 197), CodeContainer::kInt8);
  EXPECT_EQ(ContainerFor({0, 256}, kSymmetric8, 768), CodeContainer::kInt16);
  EXPECT_EQ(ContainerFor(kSymmetric8, {-256, 0}, 768), CodeContainer::kInt16);
  // A narrow span far from zero.
  EXPECT_EQ(ContainerFor({40000, 40255}, {0, 1}, 768), CodeContainer::kInt8);
  EXPECT_EQ(ContainerFor({40000, 40256}, {0, 1}, 768), CodeContainer::kWide);
  EXPECT_EQ(ContainerFor({-32767, 32767}, {0, 300}, 2), CodeContainer::kInt16);
  EXPECT_EQ(ContainerFor({-32768, 32767}, {0, 300}, 2), CodeContainer::kWide);
  // 255 * 128 * 65793 < 2^31 <= 255 * 128 * 65794.
  EXPECT_EQ(ContainerFor(kUnsigned8, kSymmetric8, 65793), CodeContainer::kInt8);
  EXPECT_EQ(ContainerFor(kUnsigned8, kSymmetric8, 65794), CodeContainer::kWide);
  EXPECT_EQ(ContainerFor({-32767, 32767}, {-32767, 32767}, 2), CodeContainer::kInt16);
  EXPECT_EQ(ContainerFor({-32767, 32767}, {-32767, 32767}, 3), CodeContainer::kWide);
  EXPECT_EQ(ContainerFor({-131072, 131072}, {-131072, 131072}, 768), CodeContainer::kWide);
  EXPECT_EQ(ContainerFor(kUnsigned8, kUnsigned8, 0), CodeContainer::kInt8);
}

TEST_F(CodeProductTest, EveryInstructionSetAgreesOnEveryShape) {
  for (const Shape& shape :
       {Shape{1, 1, 1}, {0, 5, 3},    {3, 0, 5},    {2, 3, 0},      {1, 1000, 192}, {5, 15, 2},    {6, 16, 4},
        {7, 17, 5},     {12, 32, 63}, {13, 33, 64}, {25, 48, 65},   {11, 49, 66},   {6, 64, 67},   {23, 65, 31},
        {9, 95, 128},   {31, 127, 1}, {4, 1023, 6}, {3, 1024, 7},   {5, 1025, 9},   {2, 2113, 10}, {241, 20, 12},
        {263, 70, 3},   {478, 17, 5}, {7, 83, 801}, {10, 130, 3077}}) {
    ExpectAllAgree(Problem(shape, kAffine8, kSymmetric8, Pattern::kRandom, 0), CodeContainer::kInt8);
    ExpectAllAgree(Problem(shape, kUnsigned8, {-3, 252}, Pattern::kRandom, 5), CodeContainer::kInt8);
    ExpectAllAgree(Problem(shape, {-600, 601}, {-128, 127}, Pattern::kRandom, 5), CodeContainer::kInt16);
    ExpectAllAgree(Problem(shape, {-131072, 131072}, kAffine16, Pattern::kRandom, 1), CodeContainer::kWide);
  }
}

TEST_F(CodeProductTest, EveryInstructionSetAgreesOnRandomShapes) {
  RandomStream stream(2, "code_product_test/shapes");
  for (int i = 0; i < 100; ++i) {
    const Shape shape{1 + static_cast<int64_t>(stream.NextBelow(40)), 1 + static_cast<int64_t>(stream.NextBelow(300)),
                      1 + static_cast<int64_t>(stream.NextBelow(200))};
    const int64_t more_stride = static_cast<int64_t>(stream.NextBelow(3));
    ExpectAllAgree(Problem(shape, kAffine8, kAffine8, Pattern::kRandom, more_stride), CodeContainer::kInt8);
    ExpectAllAgree(Problem(shape, {-2000, 2000}, {-5000, 4000}, Pattern::kRandom, more_stride), CodeContainer::kInt16);
  }
}

// Each container at the largest sums it is chosen for.
TEST_F(CodeProductTest, ExtremeCodesStayExact) {
  struct Border {
    CodeBounds left, right;
    int64_t inner;
    CodeContainer container;
  };
  for (const Border& border : {Border{kUnsigned8, kSymmetric8, 65793, CodeContainer::kInt8},
                               {kUnsigned8, kUnsigned8, 33025, CodeContainer::kInt8},
                               {{-255, 0}, {-255, 0}, 33025, CodeContainer::kInt8},
                               {{40000, 40255}, {-300, -60}, 177, CodeContainer::kInt8},
                               {{-131072, -130817}, {0, 0}, 100, CodeContainer::kInt8},
                               {{-2000000, -1999745}, {-1, 1}, 1000, CodeContainer::kInt8},
                               {{-32767, 32767}, {-32767, 32767}, 2, CodeContainer::kInt16},
                               {{-32767, 32767}, {-1, 1000}, 65, CodeContainer::kInt16},
                               {{-131072, 131072}, {-131072, 131072}, 3000, CodeContainer::kWide}}) {
    ASSERT_EQ(ContainerFor(border.left, border.right, border.inner), border.container);
    for (Pattern pattern : {Pattern::kRandom, Pattern::kLargest, Pattern::kSmallest, Pattern::kOpposed}) {
      ExpectAllAgree(Problem({7, 18, border.inner}, border.left, border.right, pattern, 0), border.container);
    }
  }
}

TEST_F(CodeProductTest, LargestSumIsExactInEverySet) {
  const int64_t inner = 65793;  // 255 * 127 * inner = 2130706... below 2^31; float32 rounds it to a multiple of 128
  const std::vector<int32_t> left(inner, 255), right(inner, 127);
  const float zero = 0, one = 1;
  for (InstructionSet set : SetsOfThisCpu()) {
    internal::UseInstructionSet(set);
    left_.Assign(CodeContainer::kInt8, kUnsigned8, left.data(), 1, inner);
    right_.Assign(CodeContainer::kInt8, kSymmetric8, right.data(), 1, inner);
    ErrorSums sums;
    float o_hat = 0;
    CompareProduct(left_, right_, {&zero, 1}, &one, &zero, &sums, &o_hat);
    EXPECT_EQ(o_hat, static_cast<float>(255LL * 127 * inner));
    EXPECT_EQ(sums.e, static_cast<double>(o_hat));
  }
}

// A product equal to its target: sums of zeros are plus zero, for any sign of the zeros and of the padding.
TEST_F(CodeProductTest, ZerosAndTheSmallestFloatsAgree) {
  for (float size : {0.0F, -0.0F, 1e-45F, -1e-30F}) {
    Problem p({5, 21, 9}, kSymmetric8, kSymmetric8, Pattern::kRandom, 0);
    p.target_values.assign(p.target_values.size(), size);
    p.target.values = p.target_values.data();
    p.scale.assign(p.scale.size(), -size);
    p.offset.assign(p.offset.size(), 0.0F);
    ExpectAllAgree(p, CodeContainer::kInt8);
  }
}

// Differences of so many sizes that any other order of the lanes or blocks gives other bits.
TEST_F(CodeProductTest, OrderOfSumsIsTheSame) {
  for (const Shape& shape : {Shape{35, 16, 5}, {17, 1500, 4}}) {
    Problem p(shape, kAffine8, kSymmetric8, Pattern::kRandom, 0);
    RandomStream stream(3, "code_product_test/offsets");
    for (float& offset : p.offset) {
      offset = static_cast<float>(stream.NextNormal() * std::pow(10.0, stream.NextDouble() * 24));
    }
    ExpectAllAgree(p, CodeContainer::kInt8);
    ExpectAllAgree(p, CodeContainer::kInt16);
  }
}

TEST_F(CodeProductTest, ThreadsShareOperands) {
  const Problem p({50, 130, 96}, kAffine8, kSymmetric8, Pattern::kRandom, 0);
  const Outcome expected = Fast(p, CodeContainer::kInt8, true);
  std::vector<Outcome> outcomes(4, EmptyOutcome(p, true));
  std::vector<std::thread> threads;
  for (Outcome& outcome : outcomes) {
    threads.emplace_back([&] {
      CompareProduct(left_, right_, p.target, p.scale.data(), p.offset.data(), outcome.sums.data(),
                     outcome.o_hat.data());
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Outcome& outcome : outcomes) {
    EXPECT_TRUE(SameBits(outcome, expected));
  }
}

TEST_F(CodeProductTest, NamesTheInstructionSet) {
  for (InstructionSet set : SetsOfThisCpu()) {
    internal::UseInstructionSet(set);
    const char* const name =
        set == InstructionSet::kScalar ? "scalar" : (set == InstructionSet::kAvx2 ? "avx2" : "avx512_vnni");
    EXPECT_STREQ(InstructionSetFor(CodeContainer::kInt8), name);
    EXPECT_STREQ(InstructionSetFor(CodeContainer::kInt16), name);
    EXPECT_STREQ(InstructionSetFor(CodeContainer::kWide), "scalar");
  }
}

TEST(CodeProductDeathTest, MismatchesAndCodesThatDoNotFitAreBugs) {
  const std::vector<int32_t> codes(40, 100);
  LeftCodes left;
  RightCodes right;
  left.Assign(CodeContainer::kInt8, kUnsigned8, codes.data(), 2, 20);
  right.Assign(CodeContainer::kInt8, kSymmetric8, codes.data(), 4, 10);
  const std::vector<float> zeros(8);
  std::vector<ErrorSums> sums(2);
  EXPECT_DEATH(CompareProduct(left, right, {zeros.data(), 4}, zeros.data(), zeros.data(), sums.data(), nullptr),
               "20 codes per row against 10");
  right.Assign(CodeContainer::kInt16, kSymmetric8, codes.data(), 2, 20);
  EXPECT_DEATH(CompareProduct(left, right, {zeros.data(), 4}, zeros.data(), zeros.data(), sums.data(), nullptr),
               "same container");
  if (BestSet() != InstructionSet::kScalar) {
    EXPECT_DEATH(left.Assign(CodeContainer::kInt8, {-200, 55}, codes.data(), 2, 20), "outside its bounds");
  }
  EXPECT_DEATH(ContainerFor({0, 1 << 18}, {0, 1}, 1 << 20), "2\\^17");
}

}  // namespace
}  // namespace ptq::search
