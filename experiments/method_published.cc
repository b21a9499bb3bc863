#include "experiments/method_published.h"

#include <filesystem>
#include <map>
#include <tuple>

#include "core/quant/quant_params.h"
#include "data/catalog/strict_toml.h"

namespace ptq::experiments {
namespace {

using data::Need;
using data::TextRule;
using data::TomlTable;

results::PublishedRow ReadValue(TomlTable& table, const std::string& name) {
  results::PublishedRow row;
  row.model = table.Text("model", TextRule::kLine, Need::kRequired);
  row.dataset = table.Text("dataset", TextRule::kLine, Need::kRequired);
  row.method = name;
  row.w_bits = static_cast<int>(table.Int("w_bits", quant::kMinBits, quant::kMaxBits, Need::kRequired));
  row.a_bits = static_cast<int>(table.Int("a_bits", quant::kMinBits, quant::kMaxBits, Need::kRequired));
  row.mixed = table.Bool("mixed", false);
  if (!table.Has("mixed")) {
    table.Fault(table.position(), "[[value]] lacks the key 'mixed'");
  }
  row.top1_percent = table.Number("top1_percent", 0, 100, Need::kRequired);
  row.source = table.Text("source", TextRule::kLine, Need::kRequired);
  row.confidence = "src";
  return row;
}

}  // namespace

Result<std::vector<results::PublishedRow>> ParseMethodPublished(const std::string& text, const std::string& path,
                                                                const std::string& name) {
  PTQ_ASSIGN_OR_RETURN(data::TomlDocument document, data::TomlDocument::Parse(text, path));
  TomlTable root = document.Root();
  std::vector<results::PublishedRow> rows;
  std::map<std::tuple<std::string, std::string, int, int, bool>, int> line_of;
  for (TomlTable& table : root.Tables("value", Need::kOptional)) {
    const size_t before = document.fault_count();
    rows.push_back(ReadValue(table, name));
    const results::PublishedRow& row = rows.back();
    const auto [first, is_new] =
        line_of.emplace(std::tuple(row.model, row.dataset, row.w_bits, row.a_bits, row.mixed), table.position().line);
    if (!is_new && document.fault_count() == before) {
      table.Fault(table.position(), row.model + " on " + row.dataset + " W" + std::to_string(row.w_bits) + "A" +
                                        std::to_string(row.a_bits) + (row.mixed ? " MP" : "") +
                                        " is there twice, first at line " + std::to_string(first->second));
    }
  }
  PTQ_RETURN_IF_ERROR(document.Finish());
  return rows;
}

Result<std::vector<results::PublishedRow>> ReadMethodPublished(const std::string& home, const std::string& id,
                                                               const std::string& name) {
  const std::string path = (std::filesystem::path(home) / "baselines" / id / "published.toml").string();
  const Result<std::string> text = data::ReadToml(path);
  if (!text.ok() && text.error().code == ErrorCode::kNotFound) {
    return std::vector<results::PublishedRow>();
  }
  if (!text.ok()) {
    return text.error();
  }
  return ParseMethodPublished(*text, path, name);
}

}  // namespace ptq::experiments
