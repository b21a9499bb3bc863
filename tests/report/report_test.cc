#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "results/report/html_report.h"
#include "results/table_row.h"
#include "tests/report/sample_report.h"

namespace ptq::results {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAttack[] = "</script><script>alert(1)</script><img src=x onerror=\"alert(2)\">'&amp;";

// The text between the tags of the data.
std::string DataText(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"report-data\">";
  const size_t begin = html.find(open) + open.size();
  return html.substr(begin, html.find("</script>", begin) - begin);
}

json DataOf(const Report& report) { return json::parse(DataText(RenderHtml(report))); }

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// A report of which every text is `text`.
Report ReportOf(const std::string& text) {
  Report report;
  report.table.title = report.spec_text = report.created_utc = text;
  TableRow row;
  row.model = row.dataset = row.method = row.not_run = row.verdict = row.verdict_reason = row.warning = text;
  row.trials.resize(1);
  row.trials[0].trial_key = row.trials[0].reason = row.trials[0].revision = row.trials[0].model = text;
  row.trials[0].top1_fraction = 0.5;
  row.trials[0].notes = {{text, text}};
  row.published = PublishedRow{text, text, text, 8, 8, false, {}, 50, text, "src"};
  report.table.rows = {row};
  TrialRecord trial;
  trial.trial_key = trial.trial_text = trial.spec_text = trial.model = trial.parameters = text;
  trial.operands = {{text, text, text, 8, text, -1, {}, {}}};
  trial.notes = {{text, text}};
  trial.host.cpu_model = trial.build.flags = text;
  report.trials = {{text, trial}};
  report.sensitivities.resize(1);
  report.sensitivities[0].model = report.sensitivities[0].grouping = text;
  report.sensitivities[0].cells = {{text, 8, 1.0, 0, 0}};
  return report;
}

void ExpectSame(const json& value, const std::optional<double>& figure) {
  if (figure.has_value()) {
    EXPECT_EQ(value.get<double>(), *figure);
  } else {
    EXPECT_TRUE(value.is_null());
  }
}

TEST(ReportTest, TextsCannotLeaveTheirPlace) {
  const std::string html = RenderHtml(ReportOf(kAttack));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(DataText(html), Not(HasSubstr("<")));
  EXPECT_EQ(Count(html, "</script>"), 3u) << "data, Chart.js, the page's own script";
  EXPECT_THAT(html, HasSubstr("<title>&lt;/script>&lt;script>alert(1)"));
}

TEST(ReportTest, TextsComeBackAsTheyWere) {
  const json data = DataOf(ReportOf(kAttack));
  EXPECT_EQ(data["title"], kAttack);
  EXPECT_EQ(data["rows"][0]["model"], kAttack);
  EXPECT_EQ(data["rows"][0]["published"]["source"], kAttack);
  EXPECT_EQ(data["trials"][kAttack]["trial_text"], kAttack);
  EXPECT_EQ(data["plans"][0]["operands"][0]["op"], kAttack);
  EXPECT_EQ(data["hosts"][0]["cpu_model"], kAttack);
  EXPECT_EQ(data["sensitivities"][0]["cells"][0]["unit"], kAttack);
}

TEST(ReportTest, PlaceholdersInTextsAreTexts) {
  const json data = DataOf(ReportOf("{{script}} {{data}} {{"));
  EXPECT_EQ(data["title"], "{{script}} {{data}} {{");
}

TEST(ReportTest, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  const std::string html = RenderHtml(ReportOf("a\xff\"b\xc3"));
  EXPECT_EQ(json::parse(DataText(html))["title"], "a\xEF\xBF\xBD\"b\xEF\xBF\xBD");
  EXPECT_THAT(html, Not(HasSubstr("\xff")));
  EXPECT_THAT(html, HasSubstr("<title>a\xEF\xBF\xBD&quot;b\xEF\xBF\xBD</title>"));
}

TEST(ReportTest, NothingIsLoaded) {
  const std::string html = RenderHtml(SampleReport());
  for (const char* loader : {"src=", "href=\"http", "@import", "url(", "fetch(", "XMLHttpRequest", "sendBeacon"}) {
    EXPECT_EQ(Count(html, loader), 0u) << loader;
  }
  EXPECT_EQ(Count(html, "http://"), 0u);
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
}

TEST(ReportTest, FiguresAreThoseOfEveryFormat) {
  const Report report = SampleReport();
  const json data = DataOf(report);
  ASSERT_EQ(data["rows"].size(), report.table.rows.size());
  for (size_t i = 0; i < report.table.rows.size(); ++i) {
    const RowFigures figures = Reduce(report.table.rows[i]);
    const json& row = data["rows"][i];
    ExpectSame(row["top1_fraction"], figures.measured_fraction);
    ExpectSame(row["top1_sd_fraction"], figures.measured_sd);
    ExpectSame(row["change_fraction"], figures.change_fraction);
    ExpectSame(row["size_bytes"], figures.size_bytes);
    ExpectSame(row["paper_size_bytes"], figures.paper_size_bytes);
    ExpectSame(row["calibrate_seconds"], figures.calibrate_seconds);
    ExpectSame(row["adjusted_p"], report.table.rows[i].adjusted_p);
    EXPECT_EQ(row["status"], Name(figures.status));
    EXPECT_EQ(row["collapsed"], figures.collapsed);
    EXPECT_EQ(row["seeds"], figures.done);
    EXPECT_EQ(row["images"], figures.max_images);
    EXPECT_EQ(row["reasons"], json(figures.reasons));
  }
}

TEST(ReportTest, AValueThatIsNotFromASourceIsNeverShown) {
  Report report = ReportOf("x");
  report.table.rows[0].published->confidence = "mem";
  report.table.rows[0].published->top1_percent = 73.98;
  EXPECT_TRUE(DataOf(report)["rows"][0]["published"].is_null());
  EXPECT_THAT(RenderHtml(report), Not(HasSubstr("73.98")));
}

TEST(ReportTest, EqualPlansAndHostsAreWrittenOnce) {
  const Report report = SampleReport();
  const json data = DataOf(report);
  EXPECT_EQ(data["trials"].size(), report.trials.size());
  EXPECT_EQ(data["hosts"].size(), 2u) << "that of the trials, and the empty one of the sensitivities";
  EXPECT_EQ(data["plans"].size(), 5u) << "8, 6 and 4 bits, and two of mixed widths";
  EXPECT_EQ(data["plans"][0]["operands"].size(), 148u) << "two of each of 74 ops";
}

TEST(ReportTest, AnEmptyReportIsAPage) {
  const json data = DataOf(Report());
  EXPECT_EQ(data["schema_version"], 1);
  EXPECT_TRUE(data["rows"].empty());
  EXPECT_THAT(RenderHtml(Report()), HasSubstr("<title>ptqbench report</title>"));
}

TEST(ReportTest, WhatWasNotMeasuredIsNull) {
  Report report = ReportOf("x");
  report.table.rows[0].trials.clear();
  report.sensitivities[0].cells[0].signal_to_noise_db = std::nullopt;
  const json data = DataOf(report);
  for (const char* name : {"top1_fraction", "top1_sd_fraction", "interval", "standing", "adjusted_p", "size_bytes"}) {
    EXPECT_TRUE(data["rows"][0][name].is_null()) << name;
  }
  EXPECT_TRUE(data["trials"]["x"]["size_bytes"].is_null());
  EXPECT_TRUE(data["sensitivities"][0]["cells"][0]["signal_to_noise_db"].is_null());
}

}  // namespace
}  // namespace ptq::results
