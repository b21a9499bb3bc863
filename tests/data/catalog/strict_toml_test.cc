#include "data/catalog/strict_toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace ptq::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int64_t kBig = std::numeric_limits<int64_t>::max();

TomlDocument Open(const std::string& text) {
  Result<TomlDocument> document = TomlDocument::Parse(text, "f.toml");
  EXPECT_TRUE(document.ok()) << document.error().message;
  return std::move(document).value();
}

std::string FaultsOf(TomlDocument& document) {
  const Status status = document.Finish();
  return status.ok() ? "" : status.error().message;
}

TEST(StrictTomlTest, ReadsEveryKindOfValue) {
  TomlDocument document = Open(R"(
text = "a b"
name = 'x_1'
count = 9223372036854775807
ratio = 0.5
whole = 3
flag = true
choice = "two"
triple = [1, 0.5, 0.5]
[table]
inner = 1
[[row]]
a = 1
[[row]]
a = 2
)");
  TomlTable root = document.Root();
  EXPECT_EQ(root.Text("text", TextRule::kLine, Need::kRequired), "a b");
  EXPECT_EQ(root.Text("name", TextRule::kName, Need::kRequired), "x_1");
  EXPECT_EQ(root.Int("count", 0, kBig, Need::kRequired), kBig);
  EXPECT_EQ(root.Number("ratio", 0, 1, Need::kRequired), 0.5);
  EXPECT_EQ(root.Number("whole", 0, 5, Need::kRequired), 3.0);
  EXPECT_TRUE(root.Bool("flag", false));
  EXPECT_EQ(root.Choice("choice", {"one", "two"}, Need::kRequired), "two");
  EXPECT_THAT(root.Numbers("triple", 3, 0, 1, Need::kRequired), ElementsAre(1, 0.5, 0.5));
  EXPECT_EQ(root.Table("table", Need::kRequired)->Int("inner", 0, 1, Need::kRequired), 1);
  std::vector<TomlTable> rows = root.Tables("row", Need::kRequired);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].Int("a", 0, 9, Need::kRequired), 1);
  EXPECT_EQ(rows[1].Int("a", 0, 9, Need::kRequired), 2);
  EXPECT_EQ(rows[1].position().line, 14);
  EXPECT_EQ(FaultsOf(document), "");
}

TEST(StrictTomlTest, AbsentOptionalKeysGiveFallbacks) {
  TomlDocument document = Open("");
  TomlTable root = document.Root();
  EXPECT_EQ(root.Text("a", TextRule::kLine, Need::kOptional, "x"), "x");
  EXPECT_EQ(root.Int("a", 0, 9, Need::kOptional, 7), 7);
  EXPECT_EQ(root.Number("a", 0, 9, Need::kOptional, 2.5), 2.5);
  EXPECT_TRUE(root.Bool("a", true));
  EXPECT_EQ(root.Choice("a", {"y"}, Need::kOptional, "y"), "y");
  EXPECT_TRUE(root.Texts("a", TextRule::kLine, Need::kOptional).empty());
  EXPECT_FALSE(root.Table("a", Need::kOptional));
  EXPECT_TRUE(root.Tables("a", Need::kOptional).empty());
  EXPECT_FALSE(root.Has("a"));
  EXPECT_EQ(FaultsOf(document), "");
}

TEST(StrictTomlTest, AListOrAValueSweeps) {
  TomlDocument document = Open("one = 'a'\nmany = ['b',\n 'c']\nints = [3, 1]\nmixed = [true, 1, 0.5, 's']\n");
  TomlTable root = document.Root();
  EXPECT_EQ(root.Texts("one", TextRule::kName, Need::kRequired).size(), 1U);
  const auto many = root.Texts("many", TextRule::kName, Need::kRequired);
  ASSERT_EQ(many.size(), 2U);
  EXPECT_EQ(many[1].value, "c");
  EXPECT_EQ(many[1].position.line, 3);
  EXPECT_EQ(many[1].position.column, 2);
  const auto ints = root.Ints("ints", 0, 9, Need::kRequired);
  ASSERT_EQ(ints.size(), 2U);
  EXPECT_EQ(ints[0].value, 3);
  const auto mixed = root.Scalars("mixed", Need::kRequired);
  ASSERT_EQ(mixed.size(), 4U);
  EXPECT_EQ(mixed[0].value, TomlScalar(true));
  EXPECT_EQ(mixed[1].value, TomlScalar(int64_t{1}));
  EXPECT_EQ(mixed[2].value, TomlScalar(0.5));
  EXPECT_EQ(mixed[3].value, TomlScalar(std::string("s")));
  EXPECT_EQ(FaultsOf(document), "");
}

// The text of each fault is fixed here on purpose: people read and editors parse it.
TEST(StrictTomlTest, ReportsAllFaultsInOrderOfTheirPlaces) {
  TomlDocument document = Open(R"(zeta = 1
count = "many"
size = 12
ratio = nan
kind = "smal"
names = ["a", "a", 3]
none = []
sise = 1
[deep]
"odd\nkey" = 1
row = 1
)");
  TomlTable root = document.Root();
  root.Int("count", 0, 9, Need::kRequired);
  root.Int("size", 0, 9, Need::kRequired);
  root.Number("ratio", 0, 1, Need::kRequired);
  root.Choice("kind", {"small", "large"}, Need::kRequired);
  root.Texts("names", TextRule::kName, Need::kRequired);
  root.Ints("none", 0, 9, Need::kRequired);
  root.Bool("absent", true);
  root.Text("question", TextRule::kText, Need::kRequired);
  root.Table("deep", Need::kRequired)->Tables("row", Need::kRequired);
  EXPECT_EQ(document.fault_count(), 9U);
  EXPECT_EQ(FaultsOf(document), R"(f.toml:1:1: the file lacks the key 'question'
f.toml:1:1: unknown key 'zeta' in the file; its keys are absent, count, deep, kind, names, none, question, ratio, size
f.toml:2:9: 'count' must be an integer, not a string
f.toml:3:8: 'size' is 12; it must lie in 0..9
f.toml:4:9: 'ratio' is nan; it must lie in 0..1
f.toml:5:8: 'kind' is 'smal'; it must be one of small, large; did you mean 'small'?
f.toml:6:15: 'names' lists 'a' twice
f.toml:6:20: 'names' must be a string, not an integer
f.toml:7:8: 'none' is an empty array; give one value
f.toml:8:1: unknown key 'sise' in the file; did you mean 'size'?
f.toml:10:1: unknown key 'odd key' in table 'deep'; its keys are row
f.toml:11:7: 'row' must be one or more tables, each under its own line [[row]], not an integer)");
}

TEST(StrictTomlTest, TypesAreNotConverted) {
  TomlDocument document = Open("a = 1.0\nb = 1\nc = 'true'\nd = 1\ne = 2020-01-01\nf = { }\ng = [{ }]\n");
  TomlTable root = document.Root();
  EXPECT_EQ(root.Int("a", 0, 9, Need::kRequired, 5), 5);
  EXPECT_FALSE(root.Bool("b", false));
  EXPECT_FALSE(root.Bool("c", false));
  root.Text("d", TextRule::kLine, Need::kRequired);
  root.Scalars("e", Need::kRequired);
  root.Texts("f", TextRule::kLine, Need::kRequired);
  root.Scalars("g", Need::kRequired);
  const std::string faults = FaultsOf(document);
  EXPECT_THAT(faults, HasSubstr("'a' must be an integer, not a number with a point"));
  EXPECT_THAT(faults, HasSubstr("'b' must be true or false, not an integer"));
  EXPECT_THAT(faults, HasSubstr("'c' must be true or false, not a string"));
  EXPECT_THAT(faults, HasSubstr("'d' must be a string, not an integer"));
  EXPECT_THAT(faults, HasSubstr("'e' must be true or false, a number or a string, not a date or time"));
  EXPECT_THAT(faults, HasSubstr("'f' must be a string, not a table"));
  EXPECT_THAT(faults, HasSubstr("'g' must be true or false, a number or a string, not a table"));
}

TEST(StrictTomlTest, WrongArraysOfNumbersAreFaults) {
  TomlDocument document = Open("a = [1, 2]\nb = 1\nc = [1, 2, 'x']\nd = [1, 2, 3e9]\n");
  TomlTable root = document.Root();
  for (const char* key : {"a", "b", "c", "d"}) {
    EXPECT_TRUE(root.Numbers(key, 3, 0, 9, Need::kRequired).empty()) << key;
  }
  EXPECT_EQ(document.fault_count(), 4U);
}

TEST(StrictTomlTest, FreeTablesHaveNoUnknownKeys) {
  TomlDocument document = Open("[free]\nb = 1\na = 2\n[bound]\nb = 1\n");
  EXPECT_THAT(document.Root().Table("free", Need::kRequired)->Keys(), ElementsAre("a", "b"));
  document.Root().Table("bound", Need::kRequired);
  EXPECT_EQ(FaultsOf(document), "f.toml:5:1: unknown key 'b' in table 'bound'");
}

TEST(StrictTomlTest, TextThatIsNotTomlNamesThePlace) {
  const Result<TomlDocument> document = TomlDocument::Parse("a = 1\nb = \n", "f.toml");
  ASSERT_FALSE(document.ok());
  EXPECT_EQ(document.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(document.error().message, StartsWith("f.toml:2:"));
  EXPECT_THAT(document.error().message, HasSubstr("not TOML"));
}

TEST(StrictTomlTest, RefusesWhatNoPersonWrites) {
  const std::string deep = "a = " + std::string(100000, '[');
  EXPECT_THAT(TomlDocument::Parse(deep, "f").error().message, StartsWith("f:1:37: nested deeper than 32 levels"));
  std::string dotted = "a";
  for (int i = 0; i < 100000; ++i) {
    dotted += ".a";
  }
  EXPECT_THAT(TomlDocument::Parse(dotted + " = 1", "f").error().message, HasSubstr("nested deeper"));
  EXPECT_THAT(TomlDocument::Parse("[" + dotted + "]", "f").error().message, HasSubstr("nested deeper"));
  EXPECT_THAT(TomlDocument::Parse(std::string((1U << 20) + 1, '#'), "f").error().message, HasSubstr("1 MiB"));
  EXPECT_FALSE(TomlDocument::Parse("a = \"\xFF\"", "f").ok());
  EXPECT_FALSE(TomlDocument::Parse(std::string("a = \"\0\"", 7), "f").ok());
}

TEST(StrictTomlTest, AbsentFileIsNotFound) {
  const Result<std::string> text = ReadToml(::testing::TempDir() + "/no_such_file.toml");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace ptq::data
