#include "results/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/results/sample_trial.h"

namespace ptq::results {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TrialSummary Done(int64_t seed, double top1, std::optional<double> float_top1) {
  TrialSummary trial;
  trial.experiment = "table1";
  trial.trial_key = "key" + std::to_string(seed);
  trial.model = "deit_tiny_patch16_224";
  trial.dataset = "imagenet_val1300";
  trial.method = "percentile";
  trial.w_bits = trial.a_bits = 8;
  trial.seed = seed;
  trial.exec_mode = "simulated";
  trial.calib_images = 32;
  trial.images = 1300;
  trial.top1_fraction = top1;
  trial.float_top1_fraction = float_top1;
  trial.size_bytes = 5.72e6;
  trial.paper_size_bytes = 5.43e6;
  trial.calibrate_seconds = 12.34;
  return trial;
}

TrialSummary NotDone(int64_t seed, TrialStatus status, const std::string& reason) {
  TrialSummary trial = Done(seed, 0, std::nullopt);
  trial.status = status;
  trial.reason = reason;
  trial.images = 0;
  trial.top1_fraction = trial.size_bytes = trial.paper_size_bytes = trial.calibrate_seconds = std::nullopt;
  return trial;
}

PublishedRow Published(double top1, const std::string& confidence) {
  return {"DeiT-S", "ImageNet", "Percentile", 8, 8, false, 22.0, top1, "a paper, \"Table 1\"", confidence};
}

TableRow Row(const std::string& model, const std::string& dataset, const std::string& method, int bits) {
  TableRow row;
  row.model = model;
  row.dataset = dataset;
  row.method = method;
  row.w_bits = row.a_bits = bits;
  return row;
}

constexpr char kMissing[] =
    "weights missing: put deit_small.safetensors under models (scripts/fetch_data.sh deit_small)";

// Every kind of row that a table can hold.
Table SampleTable() {
  Table table;
  table.title = "Table 1";
  TableRow row = Row("DeiT-T", "ImageNet, 1300 images", "FP32", 32);
  row.trials = {Done(0, 0.7215, 0.7215)};
  row.trials[0].size_bytes = row.trials[0].paper_size_bytes = 22.87e6;
  row.trials[0].calibrate_seconds = std::nullopt;
  row.trials[0].exec_mode = "float32";
  table.rows.push_back(row);
  row = Row("DeiT-T", "ImageNet, 1300 images", "Percentile", 8);
  row.trials = {Done(0, 0.7169, 0.7215), Done(1, 0.7177, 0.7215), Done(2, 0.7162, 0.7215)};
  table.rows.push_back(row);
  row = Row("DeiT-T", "ImageNet, 1300 images", "Percentile", 6);
  row.adjusted_p = 1e-5;
  row.trials = {Done(0, 0.7015, 0.7215), NotDone(1, TrialStatus::kFailed, "out of\nmemory")};
  table.rows.push_back(row);
  row = Row("DeiT-T", "ImageNet, 1300 images", "LAPQ", 4);
  row.trials = {NotDone(0, TrialStatus::kFailed, "the scale is not finite"),
                NotDone(1, TrialStatus::kFailed, "the scale is not finite")};
  table.rows.push_back(row);
  row = Row("DeiT-T", "ImageNet, 1300 images", "Liu2021", 6);
  row.mixed = true;
  row.trials = {NotDone(0, TrialStatus::kUnsupported, "mixed precision needs at least 4 bits")};
  table.rows.push_back(row);
  row = Row("DeiT-T", "ImageNet, 1300 images", "FQ-ViT", 8);
  row.trials = {Done(0, 0.7, 0.7215), Done(1, 0.71, 0.7215)};
  row.trials[0].simulated_only = {"log2"};
  row.trials[0].notes = {{"evaluations", "412"}, {"p", "2.9"}, {"zero_ops", "head"}};
  row.trials[1].simulated_only = {"log2", "log_sqrt2"};
  row.trials[1].notes = {{"evaluations", "98"}, {"p", "2.9"}, {"zero_ops", "none"}};
  row.interval = Interval{0.68, 0.73};
  row.standing = Standing::kTied;
  row.adjusted_p = 0.0417;
  row.verdict = "not comparable";
  row.verdict_reason = "published on ImageNet; ImageNet, 1300 images are other images";
  table.rows.push_back(row);
  row = Row("DeiT-T", "ImageNet, 1300 images", "MinMax", 8);
  row.trials = {Done(0, 0.722, std::nullopt)};
  row.interval = Interval{0.6969, 0.7458};
  row.standing = Standing::kBest;
  row.published = Published(70.0, "src");
  row.verdict = "higher";
  row.verdict_reason = "a paper 70.00 lies below our 95 % interval [71.00, 74.58]";
  table.rows.push_back(row);
  row = Row("DeiT-S", "ImageNet", "FP32", 32);
  row.published = Published(79.8, "src_confirmed");
  row.not_run = kMissing;
  table.rows.push_back(row);
  row = Row("DeiT-S", "ImageNet", "Percentile", 8);
  row.published = Published(73.98, "mem");
  row.not_run = kMissing;
  table.rows.push_back(row);
  row = Row("DeiT-S", "ImageNet", "EasyQuant", 8);
  row.published = Published(76.59, "src");
  table.rows.push_back(row);
  row = Row("DeiT-S", "ImageNet", "LAPQ", 8);
  row.published = Published(71.23, "src");
  row.published_elsewhere = true;
  table.rows.push_back(row);
  return table;
}

// The golden files are this table's own renderings, read line by line; their means, deviations and changes were checked
// with Python's statistics module.
TEST(TableTest, TextMatchesGolden) { ExpectGolden("table.txt", Render(SampleTable(), TableFormat::kText)); }
TEST(TableTest, MarkdownMatchesGolden) { ExpectGolden("table.md", Render(SampleTable(), TableFormat::kMarkdown)); }
TEST(TableTest, CsvMatchesGolden) { ExpectGolden("table.csv", Render(SampleTable(), TableFormat::kCsv)); }
TEST(TableTest, LatexMatchesGolden) { ExpectGolden("table.tex", Render(SampleTable(), TableFormat::kLatex)); }
TEST(TableTest, JsonMatchesGolden) { ExpectGolden("table.json", Render(SampleTable(), TableFormat::kJson)); }

TEST(TableTest, TextIsAsciiAndNoWiderThanTheScreenButForNotes) {
  const std::string text = Render(SampleTable(), TableFormat::kText);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool is_note = line.rfind("[", 0) == 0;
    EXPECT_TRUE(is_note || line.size() <= 160u) << line;
    for (const char c : line) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
  }
}

TEST(TableTest, AValueThatIsNotFromASourceIsNeverPrinted) {
  for (const TableFormat format : {TableFormat::kText, TableFormat::kMarkdown, TableFormat::kCsv, TableFormat::kJson}) {
    EXPECT_THAT(Render(SampleTable(), format), Not(HasSubstr("73.98"))) << static_cast<int>(format);
    EXPECT_THAT(Render(SampleTable(), format), Not(HasSubstr("0.7398"))) << static_cast<int>(format);
  }
}

TEST(TableTest, JsonParsesAndCarriesFractions) {
  const auto json = nlohmann::json::parse(Render(SampleTable(), TableFormat::kJson));
  EXPECT_EQ(json["schema_version"], 1);
  ASSERT_EQ(json["rows"].size(), 11u);
  EXPECT_NEAR(json["rows"][1]["top1_fraction"].get<double>(), (0.7169 + 0.7177 + 0.7162) / 3, 1e-12);
  // numpy.std([0.7169, 0.7177, 0.7162], ddof=1)
  EXPECT_NEAR(json["rows"][1]["top1_sd_fraction"].get<double>(), 0.000750555349946522, 1e-12);
  EXPECT_EQ(json["rows"][1]["seeds"], 3);
  EXPECT_EQ(json["rows"][1]["size_bytes"], 5.72e6);
  EXPECT_EQ(json["rows"][1]["paper_size_bytes"], 5.43e6);
  EXPECT_TRUE(json["rows"][3]["paper_size_bytes"].is_null());
  EXPECT_TRUE(json["rows"][0]["top1_sd_fraction"].is_null());
  EXPECT_EQ(json["rows"][7]["published"]["top1_fraction"], 0.798);
  EXPECT_TRUE(json["rows"][8]["published"].is_null());
  EXPECT_EQ(json["rows"][9]["status"], "not_run");
  EXPECT_TRUE(json["rows"][0]["grids"].is_null()) << "nothing is quantized";
  EXPECT_EQ(json["rows"][1]["grids"], "integer");
  EXPECT_TRUE(json["rows"][3]["grids"].is_null()) << "nothing was measured";
  EXPECT_EQ(json["rows"][5]["grids"], "simulated only");
  EXPECT_EQ(json["rows"][5]["simulated_only"], (std::vector<std::string>{"log2", "log_sqrt2"}));
  EXPECT_EQ(json["rows"][5]["notes"]["evaluations"], "98..412");
  EXPECT_EQ(json["rows"][5]["notes"]["zero_ops"], "head / none");
  EXPECT_EQ(json["rows"][5]["trials"][0]["notes"]["evaluations"], "412");
}

TEST(TableTest, EqualRemarksShareANumberAndOthersDoNot) {
  Table table;
  for (const char* evaluations : {"7", "7", "8"}) {
    table.rows.push_back(Row("m", "d", "LAPQ", 8));
    table.rows.back().trials = {Done(0, 0.5, 0.6)};
    table.rows.back().trials[0].notes = {{"evaluations", evaluations}};
  }
  const std::string text = Render(table, TableFormat::kText);
  EXPECT_THAT(text, HasSubstr("[1] LAPQ: evaluations 7\n[2] LAPQ: evaluations 8\n"));
  EXPECT_THAT(text, Not(HasSubstr("[3]")));
}

TEST(TableTest, ACollapseIsMarkedAndNamesTheWorstOps) {
  Table table;
  table.rows = {Row("m", "d", "MinMax", 4), Row("m", "d", "MinMax", 6)};
  table.rows[0].trials = {Done(0, 0.29, 0.6)};
  table.rows[0].trials[0].notes = {{"worst_ops", "blocks.1.mlp.fc2 1.5 dB"}};
  table.rows[1].trials = {Done(0, 0.31, 0.6)};
  const std::string text = Render(table, TableFormat::kText);
  EXPECT_THAT(text, HasSubstr("[1] MinMax: COLLAPSED to under half of float32, worst ops blocks.1.mlp.fc2 1.5 dB\n"));
  EXPECT_THAT(text, Not(HasSubstr("[2]")));
}

TEST(TableTest, AWarningStandsByEveryMeasuredRow) {
  Table table;
  table.rows = {Row("m", "d", "FP32", 32), Row("m", "d", "MinMax", 8), Row("m", "d", "KL", 8)};
  for (TableRow& row : table.rows) row.warning = "float32 is off";
  table.rows[0].trials = table.rows[1].trials = {Done(0, 0.5, 0.5)};
  const std::string text = Render(table, TableFormat::kText);
  EXPECT_THAT(text, HasSubstr("[1] float32 is off\n"));
  EXPECT_THAT(text, HasSubstr("50.00 [1]"));
  EXPECT_THAT(text, Not(HasSubstr("- [1]"))) << "nothing was measured there";
}

TEST(TableTest, RowsOfUncommittedSourcesSaySo) {
  Table table;
  for (const char* revision : {"", "0123abc", "0123abc-dirty"}) {
    table.rows.push_back(Row("m", "d", "MinMax", 8));
    table.rows.back().trials = {Done(0, 0.5, 0.6)};
    table.rows.back().trials[0].revision = revision;
  }
  for (const TableFormat format : {TableFormat::kText, TableFormat::kMarkdown, TableFormat::kCsv}) {
    const std::string text = Render(table, format);
    const size_t first = text.find("uncommitted sources");
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(text.find("uncommitted sources", first + 1), std::string::npos) << text;
  }
}

TEST(TableTest, ANoteOfATrialThatFailedIsNotShown) {
  Table table;
  table.rows = {Row("m", "d", "LAPQ", 8)};
  table.rows[0].trials = {NotDone(0, TrialStatus::kFailed, "out of memory")};
  table.rows[0].trials[0].notes = {{"evaluations", "3"}};
  table.rows[0].trials[0].simulated_only = {"log2"};
  for (const TableFormat format : {TableFormat::kText, TableFormat::kMarkdown, TableFormat::kCsv}) {
    EXPECT_THAT(Render(table, format), Not(HasSubstr("evaluations"))) << static_cast<int>(format);
    EXPECT_THAT(Render(table, format), Not(HasSubstr("log2"))) << static_cast<int>(format);
  }
}

TEST(TableTest, JsonSurvivesAnyBytes) {
  Table table;
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  table.title = bytes + "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xED\xA0\x80\xC0\xAF\xF4\x90\x80\x80\xE2\x82";
  const auto json = nlohmann::json::parse(Render(table, TableFormat::kJson));
  const std::string title = json["title"];
  EXPECT_EQ(title.substr(0, 128), bytes.substr(0, 128));
  EXPECT_THAT(title, HasSubstr("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
  EXPECT_EQ(json["rows"].size(), 0u);
}

TEST(TableTest, ColumnsStayStraightOutsideAscii) {
  Table table;
  table.rows = {Row("D\xC3\xA9iT", "x", "m", 8), Row("DeiT", "x", "m", 8)};
  std::istringstream lines(Render(table, TableFormat::kText));
  std::string header, rule, first, second;
  std::getline(lines, header);
  std::getline(lines, rule);
  std::getline(lines, first);
  std::getline(lines, second);
  std::getline(lines, second);  // after the group's rule
  EXPECT_EQ(first.size(), second.size() + 1);
}

TEST(TableTest, TheChangeOfARowWithoutAllFloatPartnersIsNotPrinted) {
  Table table;
  table.rows = {Row("m", "d", "x", 8)};
  table.rows[0].trials = {Done(0, 0.5, 0.6), Done(1, 0.5, std::nullopt)};
  EXPECT_THAT(Render(table, TableFormat::kText), HasSubstr("no float32 trial of the same weights"));
  EXPECT_THAT(Render(table, TableFormat::kText), Not(HasSubstr("-10.00")));
}

// Every character that means something to LaTeX, and some that it does not know; compiled with the golden one.
TEST(TableTest, LatexEscapesWhatLatexReads) {
  Table table;
  table.title = "50 % & $x_1^2$ #1 {a} ~b \\c <d> [e] \xe2\x89\xa5 \xff";
  TableRow row = Row("m_1", "d&d", "100%", 8);
  row.trials = {Done(0, 0.5, 0.6)};
  row.trials[0].notes = {{"path", "a\\b_c"}};
  table.rows.push_back(row);
  const std::string text = Render(table, TableFormat::kLatex);
  EXPECT_THAT(
      text,
      HasSubstr(
          "50 \\% \\& {\\char36}x\\_1$\\hat{}$2{\\char36} \\#1 \\{a\\} $\\sim$b $\\backslash$c $<$d$>$ {[}e] ? ?"));
}

// With pdflatex and booktabs, as a reader would (packages: texlive-latex-recommended).
TEST(TableTest, LatexCompiles) {
  const std::string folder = TestFolder();
  Table odd = SampleTable();
  odd.title = "50 % & $x_1^2$ #1 {a} ~b \\c <d> [e] \xe2\x89\xa5 \xff";
  odd.rows[0].method = "[first]";
  for (const Table& table : {SampleTable(), odd}) {
    WriteBytes(folder + "/table.tex", Render(table, TableFormat::kLatex));
    const std::string command = "cd '" + folder +
                                "' && export HOME=. && for i in 1 2 3; do /usr/bin/pdflatex -interaction=nonstopmode "
                                "-halt-on-error table.tex >log 2>&1 || exit 1; done";
    ASSERT_EQ(std::system(command.c_str()), 0)
        << "needs pdflatex (apt-get install texlive-latex-recommended): " << ReadBytes(folder + "/log");
    EXPECT_GT(std::filesystem::file_size(folder + "/table.pdf"), 10000U);
    EXPECT_EQ(ReadBytes(folder + "/log").find("Overfull"), std::string::npos) << ReadBytes(folder + "/log");
  }
}

TEST(TableTest, ACsvFieldWithACommaIsQuoted) {
  EXPECT_THAT(Render(SampleTable(), TableFormat::kCsv), HasSubstr("DeiT-T,\"ImageNet, 1300 images\",FP32,32,32,0,,"));
}

TEST(TableTest, FormatsByName) {
  EXPECT_EQ(ParseTableFormat("table").value(), TableFormat::kText);
  EXPECT_EQ(ParseTableFormat("markdown").value(), TableFormat::kMarkdown);
  EXPECT_EQ(ParseTableFormat("csv").value(), TableFormat::kCsv);
  EXPECT_EQ(ParseTableFormat("json").value(), TableFormat::kJson);
  EXPECT_EQ(ParseTableFormat("latex").value(), TableFormat::kLatex);
  const auto unknown = ParseTableFormat("markdwn");
  ASSERT_FALSE(unknown.ok());
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean 'markdown'?"));
}

// What was timed stands below the table, and nothing of it where nothing was asked for.
TEST(TableTest, TimesStandInASecondTable) {
  Table table = SampleTable();
  for (const TableFormat format : {TableFormat::kText, TableFormat::kMarkdown, TableFormat::kCsv}) {
    EXPECT_THAT(Render(table, format), Not(HasSubstr("int8 ms"))) << "nothing was timed";
    EXPECT_THAT(Render(table, format), Not(HasSubstr("int8_ms")));
  }
  table.rows[1].latencies = {SampleLatency("key0"), SampleLatency("key0")};
  table.rows[1].latencies[1].batch = 8;
  table.latencies_missing = 2;
  const std::string text = Render(table, TableFormat::kText);
  EXPECT_THAT(text, HasSubstr("DeiT-T  Percentile 8/8      1        1     8.20 [8.02, 8.88]  4.10 [4.02, 4.44]  "
                              "2.00 [1.90, 2.10]"));
  EXPECT_THAT(text, HasSubstr("latency: 2 settings are not measured yet"));
  EXPECT_THAT(Render(table, TableFormat::kMarkdown), HasSubstr("| 2.00 [1.90, 2.10] |"));
  const std::string csv = Render(table, TableFormat::kCsv);
  EXPECT_THAT(
      csv,
      HasSubstr("published_source,low_percent,high_percent,standing,latency_batch,latency_threads,float_ms,int8_ms,"));
  EXPECT_THAT(csv, HasSubstr(",1,1,8.200000,4.100000,2.0000,1.9000,2.1000,0.7500,,\r\n"));
  EXPECT_THAT(csv, HasSubstr(",,,,,,,,\r\n"));
  const auto json = nlohmann::json::parse(Render(table, TableFormat::kJson));
  EXPECT_TRUE(json["rows"][0]["latencies"].empty());
  ASSERT_EQ(json["rows"][1]["latencies"].size(), 2U);
  EXPECT_EQ(json["rows"][1]["latencies"][1]["batch"], 8);
  EXPECT_EQ(json["rows"][1]["latencies"][0]["integer_median_ns"], 4100000);
}

TEST(TableTest, ARowThatIntegerKernelsRanSaysSo) {
  Table table = SampleTable();
  for (TrialSummary& trial : table.rows[1].trials) trial.exec_mode = "integer";
  EXPECT_EQ(nlohmann::json::parse(Render(table, TableFormat::kJson))["rows"][1]["grids"], "int8");
  EXPECT_THAT(Render(table, TableFormat::kText), HasSubstr("   int8\n"));
  EXPECT_THAT(Render(table, TableFormat::kCsv), HasSubstr(",int8,"));
}

}  // namespace
}  // namespace ptq::results
