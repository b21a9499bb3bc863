#include "results/table_statistics.h"

#include <gtest/gtest.h>

#include "results/accuracy_statistics.h"
#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

constexpr int kImages = 400;

class TableStatisticsTest : public ::testing::Test {
 protected:
  // A row of one trial with the first `right` images right.
  TableRow Row(const std::string& method, int right, int bits = 8, int images = kImages, int64_t seed = 0) {
    TrialRecord record = SampleTrial(method + std::to_string(bits) + std::to_string(seed), images, right, method);
    record.seed = seed;
    EXPECT_TRUE(store_.Insert(record).ok());
    TableRow row;
    row.model = "m";
    row.dataset = "d";
    row.method = method;
    row.w_bits = row.a_bits = bits;
    row.trials = {store_.Find(record.trial_key).value().value()};
    return row;
  }
  Store store_ = Store::Open(TestFolder() + "/results.sqlite", Store::Mode::kReadWrite).value();
};

TEST_F(TableStatisticsTest, OneIsBestOrSeveralAreTied) {
  Table table;
  table.rows = {Row("best", 390),    Row("far", 300),      Row("near", 200, 6),
                Row("same", 200, 4), Row("equal", 200, 4), Row("worse", 100, 4)};
  ASSERT_TRUE(AddStatistics(store_, table).ok());
  EXPECT_EQ(table.rows[0].standing, Standing::kBest);
  EXPECT_EQ(table.rows[1].standing, Standing::kNone);
  EXPECT_EQ(table.rows[2].standing, Standing::kNone) << "nobody to be compared with";
  EXPECT_EQ(table.rows[3].standing, Standing::kTied);
  EXPECT_EQ(table.rows[4].standing, Standing::kTied);
  EXPECT_EQ(table.rows[5].standing, Standing::kNone);
  const Interval wilson = WilsonInterval(390, kImages);
  EXPECT_EQ(table.rows[0].interval->low, wilson.low);
  EXPECT_EQ(table.rows[0].interval->high, wilson.high);
}

TEST_F(TableStatisticsTest, RowsOnOtherImagesAndFloatDoNotCompete) {
  Table table;
  table.rows = {Row("float32", 399, 32), Row("a", 300), Row("b", 90, 8, 100)};
  ASSERT_TRUE(AddStatistics(store_, table).ok());
  for (const TableRow& row : table.rows) {
    EXPECT_EQ(row.standing, Standing::kNone) << row.method;
    EXPECT_TRUE(row.interval.has_value()) << row.method;
  }
}

TEST_F(TableStatisticsTest, SeedsWidenTheInterval) {
  Table table;
  table.rows = {Row("a", 300, 8, kImages, 1)};
  for (const int64_t seed : {2, 3}) {
    table.rows[0].trials.push_back(Row("a", seed == 2 ? 340 : 260, 8, kImages, seed).trials[0]);
  }
  TableRow nothing;
  nothing.trials = {TrialSummary()};
  nothing.trials[0].status = TrialStatus::kFailed;
  table.rows.push_back(nothing);
  ASSERT_TRUE(AddStatistics(store_, table).ok());
  const Interval wilson = WilsonInterval(300, kImages), several = *table.rows[0].interval;
  EXPECT_LT(several.low, wilson.low);
  EXPECT_GT(several.high, wilson.high);
  EXPECT_FALSE(table.rows[1].interval.has_value());
}

TEST_F(TableStatisticsTest, PValuesAreAdjustedOverTheWholeTable) {
  Table table;
  table.rows = {Row("best", 390), Row("near", 386), Row("far", 380), Row("one", 300, 4), Row("two", 292, 4)};
  ASSERT_TRUE(AddStatistics(store_, table).ok());
  EXPECT_FALSE(table.rows[0].adjusted_p.has_value());
  EXPECT_FALSE(table.rows[3].adjusted_p.has_value());
  // right images are nested: the better one alone is right on the difference of both
  const std::vector<double> adjusted = HolmAdjusted({McNemarExact(4, 0), McNemarExact(10, 0), McNemarExact(8, 0)});
  EXPECT_EQ(table.rows[1].adjusted_p, adjusted[0]);
  EXPECT_EQ(table.rows[2].adjusted_p, adjusted[1]);
  EXPECT_EQ(table.rows[4].adjusted_p, adjusted[2]);
  EXPECT_DOUBLE_EQ(adjusted[1], 3 * 2 / 1024.0);
}

}  // namespace
}  // namespace ptq::results
