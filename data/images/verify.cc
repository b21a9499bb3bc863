#include <filesystem>
#include <optional>
#include <sstream>

#include "data/files/file_io.h"
#include "data/files/sha256.h"
#include "data/images/dataset.h"
#include "data/images/sample_list.h"

namespace ptq::data {
namespace {

namespace fs = std::filesystem;

// More than these sentences help nobody; the rest is counted.
constexpr size_t kMaxHashProblems = 20;

// The folder, relative to the data root, that holds the SHA256SUMS nearest above the data set's files.
std::optional<fs::path> FindSums(const fs::path& data_root, fs::path folder) {
  while (true) {
    std::error_code ignored;
    if (fs::is_regular_file(data_root / folder / "SHA256SUMS", ignored)) return folder;
    if (folder == folder.parent_path()) return std::nullopt;
    folder = folder.parent_path();
  }
}

bool IsBelow(const fs::path& path, const fs::path& folder) {
  auto part = path.begin();
  for (const fs::path& expected : folder) {
    if (part == path.end() || *part != expected) return false;
    ++part;
  }
  return part != path.end() && *part != "..";
}

// "" where the file has the hash.
std::string CompareFile(const std::string& path, const std::string& expected) {
  const Result<std::string> found = Sha256OfFile(path);
  if (!found.ok()) return found.error().ToString();
  if (*found == expected) return "";
  return path + ": the file's SHA-256 is " + *found + ", not the " + expected + " that SHA256SUMS lists";
}

Status CompareSums(const fs::path& data_root, const fs::path& sums_folder, const fs::path& dataset_root,
                   VerifyReport& report) {
  const std::string sums = (data_root / sums_folder / "SHA256SUMS").string();
  PTQ_ASSIGN_OR_RETURN(const std::string text, ReadFile(sums, int64_t{1} << 28));
  std::istringstream lines(text);
  std::string line;
  std::vector<std::string> problems;
  for (int64_t number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    if (line.size() < 67 || line.find_first_not_of("0123456789abcdefABCDEF") != 64) {
      return Corrupt("expected a SHA-256, two spaces and a file name", sums + ":" + std::to_string(number));
    }
    const fs::path file = (sums_folder / line.substr(66)).lexically_normal();
    if (!IsBelow(file, dataset_root)) continue;
    std::string expected = line.substr(0, 64);
    for (char& c : expected) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    ++report.files_checked;
    const std::string problem = CompareFile((data_root / file).string(), expected);
    if (!problem.empty()) problems.push_back(problem);
  }
  const size_t total = problems.size();
  if (total > kMaxHashProblems) {
    problems.resize(kMaxHashProblems);
    problems.push_back(sums + ": " + std::to_string(total - kMaxHashProblems) + " more files are missing or differ");
  }
  report.problems.insert(report.problems.end(), problems.begin(), problems.end());
  return OkStatus();
}

}  // namespace

Result<VerifyReport> VerifyDataset(const DatasetEntry& entry, const std::string& data_root) {
  VerifyReport report;
  const Result<std::unique_ptr<Dataset>> dataset = OpenDataset(entry, data_root);
  const bool embedded = entry.kind == DatasetKind::kEmbedded;
  std::error_code ignored;
  if (!dataset.ok()) {
    // Nothing there at all is the caller's error; what is there and wrong is a problem among others.
    if (embedded || !fs::is_directory(fs::path(data_root) / entry.root, ignored)) return dataset.error();
    report.problems.push_back(dataset.error().ToString());
  } else {
    PTQ_ASSIGN_OR_RETURN(report.manifest_sha256, ManifestSha256(**dataset));
    if (!entry.manifest_sha256.empty() && report.manifest_sha256 != entry.manifest_sha256) {
      report.problems.push_back("data set '" + entry.name + "': the SHA-256 of the list of pictures and labels is " +
                                report.manifest_sha256 + ", not the declared " + entry.manifest_sha256 +
                                HowToGet(entry));
    }
  }
  if (embedded) return report;
  const fs::path root = fs::path(entry.root).lexically_normal();
  const fs::path folder = root == "." ? fs::path() : root.has_filename() ? root : root.parent_path();
  if (const std::optional<fs::path> sums = FindSums(data_root, folder)) {
    PTQ_RETURN_IF_ERROR(CompareSums(data_root, *sums, folder, report));
  }
  return report;
}

}  // namespace ptq::data
