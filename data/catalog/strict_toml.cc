#include "data/catalog/strict_toml.h"

#include <algorithm>
#include <utility>

#include "core/base/nearest_name.h"
#include "data/catalog/toml_nesting.h"
#include "data/catalog/toml_state.h"
#include "data/files/file_io.h"

namespace ptq::data {
namespace {

constexpr size_t kMaxBytes = 1U << 20;
constexpr int kMaxLevels = 32;

void ReportUnknownKeys(const TomlNode& node) {
  if (node.free_keys) {
    return;
  }
  const std::vector<std::string> known(node.known.begin(), node.known.end());
  for (const auto& [key, value] : *node.table) {
    const std::string name(key.str());
    if (node.known.count(name) != 0) {
      continue;
    }
    std::string hint = DidYouMean(name, known);
    if (hint.empty()) {
      hint = known.empty() ? "" : "; its keys are " + Joined(known);
    }
    node.document->Fault(Begin(key.source(), Begin(value.source(), node.position)),
                         "unknown key " + Quoted(name) + " in " + node.title + hint);
  }
}

}  // namespace

std::string FaultAt(const std::string& path, SourcePosition position, const std::string& message) {
  std::string line =
      path + ":" + std::to_string(position.line) + ":" + std::to_string(position.column) + ": " + message;
  // A quoted key may hold any character; a fault stays one line.
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return line;
}

TomlTable HandOut(TomlState* document, const toml::table& table, SourcePosition position, std::string title) {
  const auto [known, is_new] = document->node_of.emplace(&table, nullptr);
  if (!is_new) {
    return TomlTable(known->second);
  }
  TomlNode& node = document->nodes.emplace_back();
  known->second = &node;
  node.table = &table;
  node.position = position;
  node.title = std::move(title);
  node.document = document;
  return TomlTable(&node);
}

Result<std::string> ReadToml(const std::string& path) { return ReadFile(path, kMaxBytes); }

TomlDocument::TomlDocument(std::unique_ptr<TomlState> state) : state_(std::move(state)) {}
TomlDocument::TomlDocument(TomlDocument&&) noexcept = default;
TomlDocument& TomlDocument::operator=(TomlDocument&&) noexcept = default;
TomlDocument::~TomlDocument() = default;

Result<TomlDocument> TomlDocument::Parse(const std::string& text, const std::string& path) {
  if (text.size() > kMaxBytes) {
    return InvalidArgument(FaultAt(path, {}, "the file is larger than 1 MiB, which no such file needs"));
  }
  if (const std::optional<SourcePosition> deep = DeeperThan(text, kMaxLevels)) {
    return InvalidArgument(FaultAt(path, *deep, "nested deeper than 32 levels"));
  }
  auto state = std::make_unique<TomlState>();
  state->path = path;
  try {
    state->root = toml::parse(std::string_view(text), std::string_view(path));
  } catch (const toml::parse_error& error) {
    return InvalidArgument(FaultAt(path, Begin(error.source(), {}), "not TOML: " + std::string(error.description())));
  }
  return TomlDocument(std::move(state));
}

TomlTable TomlDocument::Root() { return HandOut(state_.get(), state_->root, {}, "the file"); }

size_t TomlDocument::fault_count() const { return state_->faults.size(); }

Status TomlDocument::Finish() {
  for (const TomlNode& node : state_->nodes) {
    ReportUnknownKeys(node);
  }
  if (state_->faults.empty()) {
    return OkStatus();
  }
  auto earlier = [](const FaultRecord& a, const FaultRecord& b) {
    return std::pair(a.position.line, a.position.column) < std::pair(b.position.line, b.position.column);
  };
  std::stable_sort(state_->faults.begin(), state_->faults.end(), earlier);
  std::string lines;
  for (const FaultRecord& fault : state_->faults) {
    lines += (lines.empty() ? "" : "\n") + FaultAt(state_->path, fault.position, fault.message);
  }
  return InvalidArgument(lines);
}

}  // namespace ptq::data
