// `ptqbench compare` with the shipped binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"

namespace ptq::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kSpec[] = R"(name = "pair"
question = "Which is better?"
seeds = [0]
[[workload]]
model = "micro_vit"
dataset = "small_test"
calibration_dataset = "small_calibration"
calibration_images = 8
[[trial]]
method = ["min_max", "percentile"]
bits = "W4A4"
)";

// One store for all tests: float32 and two methods on 100 pictures, and the same on all of them but the last.
class CompareTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = FreshFolder("CompareTest");
    const std::string datasets = WriteSmallData(folder_), spec = folder_ + "/pair.toml";
    WriteText(spec, kSpec);
    ASSERT_EQ(Call({"run", spec}).exit_code, 0);
    std::string labels = ReadText(folder_ + "/small_test/labels.txt");
    labels.erase(labels.rfind('\n', labels.size() - 2) + 1);
    WriteText(folder_ + "/small_test/labels.txt", labels);
    std::string text = ReadText(datasets);
    text.replace(text.find("count = 100"), 11, "count = 99");
    WriteText(datasets, text);
    const Outcome fewer = Call({"run", spec});
    ASSERT_EQ(fewer.exit_code, 0) << fewer.err;
  }
  static Outcome Call(std::vector<std::string> args) {
    args.insert(args.end(), {"--datasets", folder_ + "/datasets.toml", "--data-root", folder_, "--db", database()});
    return RunProgram(args);
  }
  static std::string database() { return folder_ + "/r.sqlite"; }
  static std::string Row(const std::string& sql) { return Query(database(), sql)[0]; }
  static std::string Key(const std::string& method, int images = 100) {
    return Row("SELECT trial_key FROM v_trial WHERE method = '" + method + "' AND images = " + std::to_string(images));
  }
  static inline std::string folder_;
};

TEST_F(CompareTest, CountsWhatTheStoreCounts) {
  const std::string a = Key("percentile"), b = Key("min_max");
  const std::string join =
      " FROM prediction AS a JOIN prediction AS b ON a.position = b.position "
      "JOIN trial AS ta ON ta.id = a.trial_id AND ta.trial_key = '" +
      a + "' JOIN trial AS tb ON tb.id = b.trial_id AND tb.trial_key = '" + b +
      "' JOIN dataset_image AS i ON i.dataset_id = ta.dataset_id AND i.position = a.position";
  const std::string counts =
      Row("SELECT sum(a.top1 = i.label AND b.top1 = i.label), sum(a.top1 = i.label AND b.top1 <> i.label), "
          "sum(a.top1 <> i.label AND b.top1 = i.label), printf('%.2f', 100.0 * avg(a.top1 = b.top1))" +
          join);
  const Outcome json = Call({"compare", a, b, "--format", "json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const size_t first = counts.find('|'), second = counts.find('|', first + 1), third = counts.find('|', second + 1);
  EXPECT_THAT(json.out, HasSubstr("\"both_right\": " + counts.substr(0, first) + ","));
  EXPECT_THAT(json.out, HasSubstr("\"only_a_right\": " + counts.substr(first + 1, second - first - 1) + ","));
  EXPECT_THAT(json.out, HasSubstr("\"only_b_right\": " + counts.substr(second + 1, third - second - 1) + ","));
  EXPECT_THAT(json.out, HasSubstr("\"trial_key\": \"" + a + "\""));

  // the beginning of a key, of either case
  std::string beginning = a.substr(0, 8);
  std::transform(beginning.begin(), beginning.end(), beginning.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  const Outcome text = Call({"compare", beginning, b});
  ASSERT_EQ(text.exit_code, 0) << text.err;
  EXPECT_EQ(text.err, "");
  for (const char* part : {"small_test: 100 images", "percentile@1 4/4", "min_max@1 4/4",
                           "exact McNemar p: ", "paired bootstrap over images"}) {
    EXPECT_THAT(text.out, HasSubstr(part));
  }
  EXPECT_THAT(text.out, HasSubstr("same first answer: " + counts.substr(third + 1) + " % of the images"));
  EXPECT_THAT(Call({"compare", a, b, "--format", "markdown"}).out, HasSubstr("| A wrong |"));
  EXPECT_EQ(Call({"compare", a, b}).out, text.out) << "twice the same";

  const Outcome itself = Call({"compare", a, a});
  EXPECT_THAT(itself.out, HasSubstr("A - B: 0.00 points [0.00, 0.00]"));
  EXPECT_THAT(itself.out, HasSubstr("exact McNemar p: 1\n"));
  EXPECT_THAT(Call({"compare", a, Key("float32")}).out, HasSubstr("float32@1 32/32"));
}

TEST_F(CompareTest, TrialsOnOtherImagesAreASentence) {
  const Outcome refused = Call({"compare", Key("percentile"), Key("percentile", 99)});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("cannot be compared: they were evaluated on different numbers of images"));
}

TEST_F(CompareTest, NonsenseIsASentence) {
  const auto refused = [](const std::vector<std::string>& args, int code, const std::string& sentence) {
    const Outcome outcome = Call(args);
    EXPECT_EQ(outcome.exit_code, code) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(sentence));
  };
  const std::string key = Key("min_max");
  refused({"compare"}, 2, "A is required");
  refused({"compare", key}, 2, "B is required");
  refused({"compare", key, "0123456789"}, 2, "no stored trial has a key that begins with '0123456789'");
  refused({"compare", key.substr(0, 5), key}, 2, "first 6 or more hex digits");
  refused({"compare", key, "percentile"}, 2, "first 6 or more hex digits");
  refused({"compare", key, key, "--format", "csv"}, 2, "choose table, markdown or json");
  const Outcome nothing = RunProgram({"compare", key, key, "--db", folder_ + "/absent.sqlite"});
  EXPECT_EQ(nothing.exit_code, 3) << "nothing was ever measured there";
  EXPECT_THAT(nothing.err, HasSubstr("absent.sqlite"));
}

}  // namespace
}  // namespace ptq::e2e
