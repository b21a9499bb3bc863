#include "results/checklist.h"

#include <fmt/format.h>

#include <vector>

#include "results/store_connection.h"

namespace ptq::results {
namespace {

class Answers {
 public:
  explicit Answers(const Database& database) : database_(database) {}

  void Section(const char* title) { text_ += fmt::format("\n## {}\n\n", title); }
  void Open(const char* item, const char* why) { text_ += fmt::format("- [ ] {}\n  {}\n", item, why); }
  // sql: one column, a line each; nothing comes out: an open box.
  Status Filled(const char* item, const char* sql) {
    PTQ_ASSIGN_OR_RETURN(const std::vector<std::string> lines, Lines(sql));
    text_ += fmt::format("- [{}] {}\n", lines.empty() ? ' ' : 'x', item);
    for (const std::string& line : lines) text_ += fmt::format("  - {}\n", line);
    if (lines.empty()) text_ += "  nothing of the kind is in the file yet\n";
    return OkStatus();
  }
  std::string text() const { return text_; }

 private:
  Result<std::vector<std::string>> Lines(const char* sql) const {
    PTQ_ASSIGN_OR_RETURN(Statement row, database_.Prepare(sql));
    std::vector<std::string> lines;
    while (true) {
      PTQ_ASSIGN_OR_RETURN(const bool found, row.Next());
      if (!found) return lines;
      lines.push_back(row.Text(0));
    }
  }
  const Database& database_;
  std::string text_;
};

constexpr char kMethods[] =
    "SELECT method || '@' || method_version || ': ' || 'settings of its parameters: ' || count(DISTINCT parameters) || "
    "', ' ||"
    " 'schemes: ' || count(DISTINCT scheme) || '; source and defaults: `ptqbench describe ' || method || '`' "
    "FROM trial WHERE method <> 'float32' GROUP BY method, method_version ORDER BY 1";
constexpr char kCost[] =
    "SELECT method || ': ' || round(avg(calibrate_seconds), 1) || ' s to calibrate on average (' ||"
    " round(min(calibrate_seconds), 1) || ' to ' || round(max(calibrate_seconds), 1) || ', ' || count(*) ||"
    " ' trials); peak memory up to ' || round(max(peak_rss_bytes) / 1e6) || ' MB' "
    "FROM v_trial WHERE status = 'done' AND method <> 'float32' AND calibrate_seconds IS NOT NULL "
    "GROUP BY method ORDER BY method";
constexpr char kDatasets[] =
    "SELECT dataset.name || ': ' || count(image.position) || ' images in ' || count(DISTINCT image.label) ||"
    " ' classes, manifest SHA-256 ' || dataset.manifest_sha256 FROM dataset JOIN dataset_image AS image"
    " ON image.dataset_id = dataset.id GROUP BY dataset.id ORDER BY 1";
constexpr char kSplits[] =
    "SELECT DISTINCT 'calibration: ' || calib_images || ' images of ' || calibration_dataset ||"
    " ' drawn by seed, never evaluated; evaluation: all of ' || dataset.name "
    "FROM trial JOIN dataset ON dataset.id = trial.dataset_id WHERE calibration_dataset <> '' ORDER BY 1";
constexpr char kPreprocessing[] = "SELECT DISTINCT model || ': ' || preprocessing FROM trial ORDER BY 1";
constexpr char kDependencies[] =
    "SELECT DISTINCT libraries || '; ' || compiler FROM build WHERE id IN (SELECT build_id FROM trial) ORDER BY 1";
constexpr char kEvaluation[] =
    "SELECT 'ptqbench ' || version || ', revision ' || CASE revision WHEN '' THEN 'unknown' ELSE revision END ||"
    " CASE WHEN revision LIKE '%-dirty' THEN ' (with changes that no commit has)' ELSE '' END || ': ' ||"
    " count(*) || ' trials' FROM trial JOIN build ON build.id = trial.build_id GROUP BY version, revision ORDER BY 1";
constexpr char kWeights[] = "SELECT DISTINCT model || ': weights SHA-256 ' || weights_sha256 FROM trial ORDER BY 1";
constexpr char kCommands[] =
    "SELECT DISTINCT '`ptqbench run ' || name || '`, spec SHA-256 ' || spec_sha256 ||"
    " '; one trial again: `ptqbench reproduce KEY`' FROM experiment ORDER BY 1";
constexpr char kParameters[] =
    "SELECT DISTINCT method || ': ' || parameters || CASE parameters WHEN '' THEN 'none' ELSE '' END "
    "FROM trial WHERE method <> 'float32' ORDER BY 1";
constexpr char kRuns[] =
    "SELECT experiment || ': ' || count(*) || ' trials, ' || sum(status = 'done') || ' done, ' ||"
    " sum(status = 'failed') || ' failed, ' || sum(status = 'unsupported') || ' unsupported; seeds ' ||"
    " (SELECT group_concat(seed, ', ') FROM (SELECT DISTINCT seed FROM v_trial AS other"
    "  WHERE other.experiment = v_trial.experiment ORDER BY seed)) FROM v_trial GROUP BY experiment ORDER BY 1";
constexpr char kResults[] =
    "SELECT model || ' on ' || dataset || ', ' || method || ' ' || w_bits || '/' || a_bits ||"
    " CASE mixed WHEN 1 THEN ' MP' ELSE '' END || CASE exec_mode WHEN 'integer' THEN ' integer' ELSE '' END || ': ' ||"
    " round(100 * avg(top1_fraction), 2) || ' %, ' || count(*) || CASE count(*) WHEN 1 THEN ' trial' ELSE ' trials, '"
    " || round(100 * min(top1_fraction), 2) || ' to ' || round(100 * max(top1_fraction), 2) END "
    "FROM v_trial WHERE status = 'done' "
    "GROUP BY model, dataset, method, w_bits, a_bits, mixed, exec_mode "
    "ORDER BY model, dataset, w_bits DESC, a_bits DESC, avg(top1_fraction) DESC";
constexpr char kInfrastructure[] =
    "SELECT DISTINCT cpu_model || ', ' || logical_cores || ' logical cores, ' || round(memory_bytes / 1e9, 1) ||"
    " ' GB, ' || os || '; threads ' || (SELECT group_concat(DISTINCT threads) FROM trial WHERE host_id = host.id) "
    "FROM host WHERE id IN (SELECT host_id FROM trial) ORDER BY 1";

Status Fill(Answers& answers) {
  answers.Section("Models and algorithms");
  PTQ_RETURN_IF_ERROR(answers.Filled("A clear description of each algorithm", kMethods));
  answers.Open("The assumptions behind them", "not in the file: docs/ and the comment of each method say them");
  PTQ_RETURN_IF_ERROR(answers.Filled("Complexity: time, space, sample size, as measured", kCost));
  answers.Section("Theoretical claims");
  answers.Open("Statements and proofs", "does not apply: none is made");
  answers.Section("Data sets");
  PTQ_RETURN_IF_ERROR(answers.Filled("Relevant statistics", kDatasets));
  PTQ_RETURN_IF_ERROR(answers.Filled("Details of the splits", kSplits));
  PTQ_RETURN_IF_ERROR(
      answers.Filled("Excluded data (none: every image of a set is evaluated) and preprocessing", kPreprocessing));
  answers.Open("Where the data can be had", "not in the file: data/datasets.toml names each source");
  answers.Open("How new data were collected", "does not apply: none were collected");
  answers.Section("Shared code");
  PTQ_RETURN_IF_ERROR(answers.Filled("Dependencies", kDependencies));
  answers.Open("Training code", "nothing is trained here; the embedded models' trainer stands in data/embedded");
  PTQ_RETURN_IF_ERROR(answers.Filled("Evaluation code", kEvaluation));
  PTQ_RETURN_IF_ERROR(answers.Filled("Trained models, by hash", kWeights));
  PTQ_RETURN_IF_ERROR(answers.Filled("The precise commands that make the results", kCommands));
  answers.Section("Experimental results");
  PTQ_RETURN_IF_ERROR(answers.Filled("Every hyper-parameter that was used", kParameters));
  answers.Open("How hyper-parameters were selected", "not in the file: each method's defaults are its paper's");
  PTQ_RETURN_IF_ERROR(answers.Filled("The exact number of runs", kRuns));
  answers.Open(
      "Definition of the measure",
      "top-1: the share of images whose class of largest logit is the label; docs/statistics.md has intervals");
  PTQ_RETURN_IF_ERROR(
      answers.Filled("Results with central tendency and variation over seeds (95 % intervals: "
                     "`ptqbench report`)",
                     kResults));
  answers.Open("Energy", "not measured; run times stand under complexity");
  return answers.Filled("Computing infrastructure", kInfrastructure);
}

}  // namespace

Result<std::string> Checklist(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const Database database, OpenResults(path, Store::Mode::kReadOnly));
  Answers answers(database);
  PTQ_RETURN_IF_ERROR(Fill(answers));
  return "# Reproducibility checklist\n\nAfter Pineau et al. 2021, version 2.0, filled in from the results file.\n" +
         answers.text();
}

}  // namespace ptq::results
