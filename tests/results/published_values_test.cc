#include "results/published_values.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Fault {
  const char* line;
  const char* sentence;
};

constexpr char kHeader[] = "model,dataset,method,w_bits,a_bits,mixed,size_mb,top1,source,confidence\n";

TEST(PublishedValuesTest, ReadsTableOneOfLiu) {
  const auto rows = ReadPublished("results/published/liu2021_table1.csv").value();
  ASSERT_THAT(rows, SizeIs(53));
  EXPECT_EQ(rows[2].model, "ViT-B");
  EXPECT_EQ(rows[2].dataset, "CIFAR-10");
  EXPECT_EQ(rows[2].method, "Liu2021");
  EXPECT_EQ(rows[2].w_bits, 6);
  EXPECT_EQ(rows[2].a_bits, 6);
  EXPECT_TRUE(rows[2].mixed);
  EXPECT_EQ(rows[2].size_mb, 64.6);
  EXPECT_EQ(rows[2].top1_percent, 96.83);
  EXPECT_THAT(rows[2].source, HasSubstr("Table 1"));
  EXPECT_EQ(rows[2].confidence, "src_confirmed");
}

TEST(PublishedValuesTest, ReadsTheAblationOfLiu) {
  const auto rows = ReadPublished("results/published/liu2021_table3_ablation.csv").value();
  std::vector<std::string> lines;
  for (const PublishedRow& row : rows) {
    EXPECT_EQ(row.model + " " + row.dataset, "ViT-B ImageNet");
    lines.push_back(fmt::format("{} {}/{}{} {} {}", row.method, row.w_bits, row.a_bits, row.mixed ? " MP" : "",
                                row.size_mb.value_or(0), row.top1_percent));
  }
  EXPECT_THAT(lines,
              ElementsAre("FP32 32/32 344 77.91", "Similarity 8/8 86.2 75.42", "Similarity + ranking 8/8 86.2 75.94",
                          "Similarity + bias 8/8 86.2 75.81", "Similarity + ranking + bias 8/8 86.2 76.49",
                          "Similarity 8/8 MP 86.5 76.26", "Similarity + bias 8/8 MP 86.5 76.61",
                          "Similarity + ranking 8/8 MP 86.5 76.53", "Similarity + ranking + bias 8/8 MP 86.5 76.98"));
}

TEST(PublishedValuesTest, FaultsOfAnAblation) {
  const std::string header =
      "model,dataset,similarity,ranking,bias_correction,mixed,w_bits,a_bits,size_mb,top1,source,confidence\n";
  const std::vector<Fault> faults = {
      {"X,D,0,1,0,0,8,8,,81.5,s,src", "column 'similarity' holds '0'; give 1"},
      {"X,D,1,0,0,0,32,32,,81.5,s,src", "column 'similarity' holds '1'"},
      {"X,D,0,1,0,0,32,32,,81.5,s,src", "column 'similarity' holds '0'"},
      {"X,D,1,2,0,0,8,8,,81.5,s,src", "column 'ranking' holds '2'; give 0 or 1"},
      {"X,D,1,1,,0,8,8,,81.5,s,src", "column 'bias_correction' holds ''"},
      {"X,D,1,1,0,0,8,8,,81.5,s", "has 11 fields where the header has 12"},
  };
  for (const Fault& fault : faults) {
    const auto rows = ParsePublished(header + fault.line + "\n", "f.csv");
    ASSERT_FALSE(rows.ok()) << fault.line;
    EXPECT_EQ(rows.error().where, "f.csv:2");
    EXPECT_THAT(rows.error().message, HasSubstr(fault.sentence));
  }
}

TEST(PublishedValuesTest, ColumnsMayStandInAnyOrderAndLinesMayEndAsOnWindows) {
  const auto rows = ParsePublished(
                        "\xEF\xBB\xBFtop1,confidence,source,size_mb,mixed,a_bits,w_bits,method,dataset,model\r\n"
                        "81.5,mem,\"A, \"\"B\"\"\",,1,4,8,M,D,X\r\n\r\n",
                        "f.csv")
                        .value();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].model, "X");
  EXPECT_EQ(rows[0].dataset, "D");
  EXPECT_EQ(rows[0].method, "M");
  EXPECT_EQ(rows[0].w_bits, 8);
  EXPECT_EQ(rows[0].a_bits, 4);
  EXPECT_EQ(rows[0].size_mb, std::nullopt);
  EXPECT_EQ(rows[0].top1_percent, 81.5);
  EXPECT_EQ(rows[0].source, "A, \"B\"");
  EXPECT_FALSE(IsPrintable(rows[0]));
}

TEST(PublishedValuesTest, OnlySourcesArePrintable) {
  for (const char* confidence : {"src", "src_confirmed", "src_quoted"}) {
    EXPECT_TRUE(IsPrintable({"m", "d", "x", 8, 8, false, {}, 1, "s", confidence}));
  }
  for (const char* confidence : {"mem", "mem_second_hand", ""}) {
    EXPECT_FALSE(IsPrintable({"m", "d", "x", 8, 8, false, {}, 1, "s", confidence}));
  }
}

TEST(PublishedValuesTest, AFileWithOtherColumnsIsRefused) {
  const auto rows = ReadPublished("results/published/liu2021_table2_detr.csv");
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(rows.error().where, "results/published/liu2021_table2_detr.csv:1");
  EXPECT_THAT(rows.error().message, HasSubstr("unknown column 'map'"));
}

TEST(PublishedValuesTest, AbsentFileAndFolder) {
  const auto absent = ReadPublished(TestFolder() + "/absent.csv");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
  const auto folder = ReadPublished(TestFolder());
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, ErrorCode::kIo);
}

TEST(PublishedValuesTest, FaultsNameFileLineAndColumn) {
  const std::vector<Fault> faults = {
      {"X,D,M,8,8,0,,81.5,s", "has 9 fields where the header has 10"},
      {"X,D,M,8,8,0,,81.5,s,src,y", "has 11 fields"},
      {",D,M,8,8,0,,81.5,s,src", "column 'model' holds ''"},
      {"X,D,,8,8,0,,81.5,s,src", "column 'method' holds ''"},
      {"X,D,M,8,8,0,,81.5,,src", "column 'source' holds ''"},
      {"X,D,M,eight,8,0,,81.5,s,src", "column 'w_bits' holds 'eight'; give a whole number from 1 to 32"},
      {"X,D,M,8,33,0,,81.5,s,src", "column 'a_bits' holds '33'"},
      {"X,D,M,8,5.3,0,,81.5,s,src", "column 'a_bits' holds '5.3'"},
      {"X,D,M,8,,0,,81.5,s,src", "column 'a_bits' holds ''"},
      {"X,D,M,8,8,yes,,81.5,s,src", "column 'mixed' holds 'yes'; give 0 or 1"},
      {"X,D,M,8,8,0,-1,81.5,s,src", "column 'size_mb' holds '-1'"},
      {"X,D,M,8,8,0,nan,81.5,s,src", "column 'size_mb' holds 'nan'"},
      {"X,D,M,8,8,0,,100.5,s,src", "column 'top1' holds '100.5'; give a percentage"},
      {"X,D,M,8,8,0,,nan,s,src", "column 'top1' holds 'nan'"},
      {"X,D,M,8,8,0,,,s,src", "column 'top1' holds ''"},
      {"X,D,M,8,8,0,,81.5%,s,src", "column 'top1' holds '81.5%'"},
      {"X,D,M,8,8,0,,81.5,s,sure", "column 'confidence' holds 'sure'"},
      {"X,D,M,8,8,0,,81.5,\"s,src", "a quote is out of place"},
      {"X,D,M\"M\",8,8,0,,81.5,s,src", "a quote is out of place"},
  };
  for (const Fault& fault : faults) {
    const auto rows = ParsePublished(std::string(kHeader) + "X,D,M,8,8,0,,81.5,s,src\n" + fault.line + "\n", "f.csv");
    ASSERT_FALSE(rows.ok()) << fault.line;
    EXPECT_EQ(rows.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(rows.error().where, "f.csv:3") << fault.line;
    EXPECT_THAT(rows.error().message, HasSubstr(fault.sentence));
  }
}

TEST(PublishedValuesTest, FaultsOfTheHeader) {
  const std::vector<Fault> faults = {
      {"", "is empty"},
      {"model,dataset\n", "column 'method' is missing"},
      {"model,model\n", "column 'model' stands twice"},
      {"model,methd\n", "unknown column 'methd'; did you mean 'method'?"},
      {"model,dataset,ranking\n", "column 'w_bits' is missing"},
      {"model,dataset,ranking,w_bits,a_bits,mixed,size_mb,top1,source,confidence\n", "column 'similarity' is missing"},
      {"model,dataset,method,similarity,ranking,bias_correction,w_bits,a_bits,mixed,size_mb,top1,source,confidence\n",
       "column 'method' stands beside the parts of a method"},
  };
  for (const Fault& fault : faults) {
    const auto rows = ParsePublished(fault.line, "f.csv");
    ASSERT_FALSE(rows.ok()) << fault.line;
    EXPECT_THAT(rows.error().message, HasSubstr(fault.sentence));
  }
  EXPECT_THAT(ParsePublished(kHeader, "f.csv").value(), SizeIs(0));
}

}  // namespace
}  // namespace ptq::results
