#include "core/method/bit_allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace ptq::method {
namespace {

using ::testing::HasSubstr;

BitAllocation Sample() {
  BitAllocation allocation;
  allocation.target_bits = 6;
  allocation.budget_bytes = 1000.5;
  allocation.candidate_bits = {4, 6, 8};
  allocation.groups = {{"blocks.0.attn", "attn", 1088, 2.5, {4, 2, 1}}, {"patch_embed.proj", "op", 784, 0, {3, 1, 0}}};
  allocation.front = {{500, 7, {4, 4}}, {750.25, 3, {6, 6}}, {2000, 1, {8, 8}}};
  allocation.chosen = 1;
  return allocation;
}

void ExpectSame(const BitAllocation& a, const BitAllocation& b) {
  EXPECT_EQ(a.target_bits, b.target_bits);
  EXPECT_EQ(a.budget_bytes, b.budget_bytes);
  EXPECT_EQ(a.candidate_bits, b.candidate_bits);
  EXPECT_EQ(a.chosen, b.chosen);
  ASSERT_EQ(a.groups.size(), b.groups.size());
  for (size_t i = 0; i < a.groups.size(); ++i) {
    EXPECT_EQ(a.groups[i].name, b.groups[i].name);
    EXPECT_EQ(a.groups[i].kind, b.groups[i].kind);
    EXPECT_EQ(a.groups[i].parameters, b.groups[i].parameters);
    EXPECT_EQ(a.groups[i].nuclear_norm, b.groups[i].nuclear_norm);
    EXPECT_EQ(a.groups[i].omega, b.groups[i].omega);
  }
  ASSERT_EQ(a.front.size(), b.front.size());
  for (size_t i = 0; i < a.front.size(); ++i) {
    EXPECT_EQ(a.front[i].size_bytes, b.front[i].size_bytes);
    EXPECT_EQ(a.front[i].omega, b.front[i].omega);
    EXPECT_EQ(a.front[i].bits, b.front[i].bits);
  }
}

TEST(BitAllocationTest, TheChoiceIsAPointOfTheFront) {
  EXPECT_EQ(Sample().choice().size_bytes, 750.25);
  EXPECT_EQ(Sample().choice().bits, (std::vector<int>{6, 6}));
}

TEST(BitAllocationTest, RoundTripIsExact) {
  BitAllocation allocation = Sample();
  allocation.budget_bytes = 1e9 / 3;
  allocation.groups[0].parameters = std::numeric_limits<int64_t>::max();
  allocation.groups[0].nuclear_norm = std::numeric_limits<double>::max();
  allocation.groups[0].omega = {0x1p-1074, 0.1 + 0.2, 1e22};
  allocation.groups[1].omega = {std::numeric_limits<double>::min(), 0x1.fffffffffffffp-3, 0};
  allocation.groups[1].name = "a \"quoted\" name\\ with\nbreaks";
  allocation.front[1].size_bytes = 86567656.625;
  allocation.front[2].size_bytes = 1e9;
  allocation.front[1].omega = 2.0 / 3;
  const std::string text = ToJson(allocation);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const Result<BitAllocation> back = BitAllocationFromJson(text);
  ASSERT_TRUE(back.ok()) << back.error().ToString();
  ExpectSame(*back, allocation);
  EXPECT_EQ(ToJson(*back), text);
}

// Part of plans on disk.
TEST(BitAllocationTest, TextIsFrozen) {
  EXPECT_EQ(ToJson(Sample()),
            R"({"budget_bytes":1000.5,"candidate_bits":[4,6,8],"chosen":1,"front":[)"
            R"({"bits":[4,4],"omega":7.0,"size_bytes":500.0},{"bits":[6,6],"omega":3.0,"size_bytes":750.25},)"
            R"({"bits":[8,8],"omega":1.0,"size_bytes":2000.0}],"groups":[)"
            R"({"kind":"attn","name":"blocks.0.attn","nuclear_norm":2.5,"omega":[4.0,2.0,1.0],"parameters":1088},)"
            R"({"kind":"op","name":"patch_embed.proj","nuclear_norm":0.0,"omega":[3.0,1.0,0.0],"parameters":784}],)"
            R"("target_bits":6})");
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(BitAllocationTest, DamagedTextIsCorrupt) {
  const std::string good = ToJson(Sample());
  ASSERT_TRUE(BitAllocationFromJson(good).ok());
  const std::string damaged[] = {
      "",
      "x",
      "null",
      "[]",
      "{}",
      "7",
      good + "}",
      Replaced(good, "\"chosen\":1", "\"chosen\":9"),
      Replaced(good, "\"chosen\":1", "\"chosen\":-1"),
      Replaced(good, "\"chosen\":1", "\"chosen\":2"),  // over the budget
      Replaced(good, "\"chosen\":1", "\"chosen\":\"1\""),
      Replaced(good, "\"chosen\":1,", ""),
      Replaced(good, "\"target_bits\":6", "\"target_bits\":null"),
      Replaced(good, "[4,6,8]", "[8,6,4]"),
      Replaced(good, "[4,6,8]", "[]"),
      Replaced(good, "[4,6,8]", "[4,6]"),
      Replaced(good, "[4,4]", "[4,5]"),
      Replaced(good, "[4,4]", "[4]"),
      Replaced(good, "[4,4]", "{}"),
      Replaced(good, "1000.5", "null"),
      Replaced(good, "1000.5", "1e999"),
      Replaced(good, "\"omega\":[4.0,2.0,1.0]", "\"omega\":[4.0,2.0]"),
      Replaced(good, "\"omega\":[4.0,2.0,1.0]", "\"omega\":[4.0,2.0,null]"),
      Replaced(good, "\"parameters\":1088", "\"parameters\":0"),
      Replaced(good, "\"kind\":\"op\",", ""),
      Replaced(good, "\"attn\"", "\"\xff\""),
  };
  for (const std::string& text : damaged) {
    const Result<BitAllocation> found = BitAllocationFromJson(text);
    ASSERT_FALSE(found.ok()) << text;
    EXPECT_EQ(found.error().code, ErrorCode::kCorrupt) << text;
    EXPECT_FALSE(found.error().message.empty());
  }
  for (size_t length = 0; length < good.size(); ++length) {
    const Result<BitAllocation> found = BitAllocationFromJson(good.substr(0, length));
    ASSERT_FALSE(found.ok()) << length;
    EXPECT_EQ(found.error().code, ErrorCode::kCorrupt);
  }
}

TEST(ValidateBitAllocationTest, RefusesWhatDoesNotAgree) {
  struct Case {
    std::function<void(BitAllocation&)> damage;
    const char* text;
  };
  const Case cases[] = {
      {[](BitAllocation& a) { a.candidate_bits.clear(); }, "ascending candidate bits"},
      {[](BitAllocation& a) {
         a.candidate_bits = {6, 4, 8};
       },
       "ascending candidate bits"},
      {[](BitAllocation& a) { a.groups.clear(); }, "needs groups"},
      {[](BitAllocation& a) { a.groups[0].omega.push_back(1); }, "a sensitivity for each candidate"},
      {[](BitAllocation& a) { a.groups[1].parameters = 0; }, "at least one parameter"},
      {[](BitAllocation& a) { a.front[0].bits.push_back(4); }, "has 3 widths for 2 groups"},
      {[](BitAllocation& a) { a.front[2].bits[1] = 7; }, "has 7 bits, no candidate"},
      {[](BitAllocation& a) { a.front.clear(); }, "the chosen assignment"},
      {[](BitAllocation& a) { a.chosen = 3; }, "the chosen assignment"},
      {[](BitAllocation& a) { a.chosen = -1; }, "the chosen assignment"},
      {[](BitAllocation& a) { a.budget_bytes = 750; }, "over the budget"},
  };
  ASSERT_TRUE(Validate(Sample()).ok());
  for (const Case& c : cases) {
    BitAllocation allocation = Sample();
    c.damage(allocation);
    const Status status = Validate(allocation);
    ASSERT_FALSE(status.ok()) << c.text;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(status.error().message, HasSubstr(c.text));
  }
  BitAllocation allocation = Sample();
  allocation.groups[1].omega.clear();
  EXPECT_EQ(Validate(allocation).error().where, "patch_embed.proj");
  allocation = Sample();
  allocation.budget_bytes = 750.25;
  EXPECT_TRUE(Validate(allocation).ok());
}

TEST(BitAllocationTest, FractionsAndDisorderAreRefused) {
  std::string text = ToJson(Sample());
  text.replace(text.find("\"target_bits\":6"), 15, "\"target_bits\":6.5");
  EXPECT_EQ(BitAllocationFromJson(text).error().code, ErrorCode::kCorrupt);
  BitAllocation allocation = Sample();
  std::swap(allocation.front[0], allocation.front[2]);
  EXPECT_FALSE(Validate(allocation).ok());
  allocation = Sample();
  allocation.candidate_bits = {4, 6, 6};
  EXPECT_FALSE(Validate(allocation).ok());
  allocation = Sample();
  allocation.budget_bytes = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(Validate(allocation).ok());
}

}  // namespace
}  // namespace ptq::method
