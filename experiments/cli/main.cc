// The `ptqbench` program: flags to verbs.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <system_error>

#include "core/base/fast_start.h"
#include "experiments/cli/commands.h"
#include "experiments/revision.h"
#include "experiments/system_info.h"

namespace {

namespace cli = ptq::experiments::cli;

// `bazel run` starts programs far from the caller's folder and says where the caller is.
void EnterCallersFolder() {
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  if (folder != nullptr && chdir(folder) != 0) {
    std::fprintf(stderr, "ptqbench: cannot enter %s\n", folder);
  }
}

// Of `--random-weights [SEED]`: nothing means 0.
uint64_t SeedOf(const std::string& text) {
  uint64_t seed = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, seed);
  if (!text.empty() && (error != std::errc() || stopped != end)) {
    throw CLI::ValidationError("--random-weights", "'" + text + "' is no seed; give a whole number of 0 or more");
  }
  return seed;
}

int Main(int argc, char** argv) {
  CLI::App app{"Measures post-training quantization of vision transformers."};
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Exit codes: 0 done, 1 some trial failed, 2 usage or spec, 3 input missing or environment, 130 stopped.\n"
      "The answer goes to stdout, progress to stderr.");
  cli::GlobalFlags global;
  app.add_option("--data-root", global.data_root, "Folder of weights and images (default: <home>/data/local)");
  app.add_option("--db", global.database, "SQLite file of results (default: <home>/results/ptqbench.sqlite)");
  app.add_option("--threads", global.threads, "Threads of the computation (default: all cores)");
  app.add_option("--models", global.models, "A further models.toml with your own models");
  app.add_option("--datasets", global.datasets, "A further datasets.toml with your own data sets");
  app.add_flag("--allow-dirty", global.allow_dirty,
               "Store numbers though the program was built from uncommitted sources; the rows say so");
  app.add_option("--home", global.home, "The project's folder (default: found from the current folder)");

  int code = cli::kExitDone;
  const std::string format_help = "table, markdown, csv, json, latex or html";

  cli::RunFlags run;
  auto* run_command = app.add_subcommand("run", "Measure what an experiment still lacks, then print its table");
  run_command->add_option("SPEC", run.spec, "A TOML file, or the name of one in experiments/")->required();
  run_command->add_option("--format", run.format, format_help);
  run_command->add_option("--out", run.out, "A file for it (default: stdout)");
  run_command->add_flag("--retry-failed", run.retry_failed, "Run trials again that failed before");
  run_command->add_flag("--no-checkpoint", run.no_checkpoint, "Search everything again, whatever earlier runs found");
  run_command->callback([&] { code = cli::Run(global, run); });

  auto* plan_command = app.add_subcommand("plan", "Tell what would run and what is done");
  plan_command->add_option("SPEC", run.spec, "A TOML file, or the name of one in experiments/")->required();
  plan_command->callback([&] { code = cli::Plan(global, run); });

  auto* check_command = app.add_subcommand("check", "Tell every fault of an experiment file");
  check_command->add_option("SPEC", run.spec, "A TOML file, or the name of one in experiments/")->required();
  check_command->callback([&] { code = cli::Check(global, run); });

  auto* report_command = app.add_subcommand("report", "Print an experiment's table from the store");
  report_command->add_option("SPEC", run.spec, "A TOML file, or the name of one in experiments/")->required();
  report_command->add_option("--format", run.format, format_help);
  report_command->add_option("--out", run.out, "A file for it (default: stdout)");
  report_command->callback([&] { code = cli::Report(global, run); });

  std::string what;
  auto* list_command = app.add_subcommand("list", "List methods, models, datasets or experiments");
  list_command->add_option("WHAT", what, "methods, models, datasets or experiments")
      ->required()
      ->check(CLI::IsMember({"methods", "models", "datasets", "experiments"}));
  list_command->callback([&] { code = cli::List(global, what); });

  cli::DescribeFlags describe;
  auto* describe_command =
      app.add_subcommand("describe", "Describe a method, model, data set, experiment, 'build', or a plan");
  describe_command->add_option("NAME", describe.name, "The name, or 'plan'")->required();
  describe_command->add_option("PLAN", describe.plan, "After 'plan': a plan file, or the key of a stored trial");
  describe_command->add_flag("--front", describe.whole_front, "Of a mixed-precision plan the whole Pareto front");
  describe_command->callback([&] { code = cli::Describe(global, describe); });

  cli::PredictFlags predict;
  auto* predict_command = app.add_subcommand("predict", "Write each image's top-5 classes and logits as CSV");
  auto* predict_model = predict_command->add_option("--model", predict.model);
  auto* predict_plan =
      predict_command->add_option("--plan", predict.plan, "A plan file; without one the float32 model runs");
  predict_command->add_option("--packed", predict.packed, "A file of `ptqbench export`, in place of model and plan")
      ->excludes(predict_model)
      ->excludes(predict_plan);
  predict_command->add_option("--dataset", predict.dataset)->required();
  predict_command->add_option("--out", predict.out, "The CSV file")->required();
  predict_command->callback([&] {
    if (predict.model.empty() && predict.packed.empty()) {
      throw CLI::RequiredError("--model or --packed");
    }
    code = cli::Predict(global, predict);
  });

  cli::ExportFlags export_flags;
  auto* export_command = app.add_subcommand("export", "Write a model under a plan with its weights in the plan's bits");
  export_command->add_option("--model", export_flags.model)->required();
  export_command->add_option("--plan", export_flags.plan, "A plan file")->required();
  export_command->add_option("--out", export_flags.out, "The safetensors file")->required();
  export_command->callback([&] { code = cli::Export(global, export_flags); });

  cli::QuantizeFlags quantize;
  auto* quantize_command = app.add_subcommand("quantize", "Run a method on a model and write its plan");
  quantize_command->add_option("--model", quantize.model)->required();
  quantize_command->add_option("--method", quantize.method)->required();
  quantize_command->add_option("--bits", quantize.bits,
                               "W8A8, W4A8, 'W8A8 MP' for mixed precision, ... (default W8A8)");
  quantize_command->add_option("--weight-granularity", quantize.weight_granularity, "per_tensor or per_channel");
  quantize_command->add_option("--patch-input-bits", quantize.patch_input_bits,
                               "Bits of the patch embedding's input: 2..16, or 32 for float (default: as other "
                               "activations)");
  quantize_command->add_option("--calibration-dataset", quantize.calibration_dataset)->required();
  quantize_command->add_option("--calibration-images", quantize.calibration_images, "How many (default 32)");
  quantize_command->add_option("--seed", quantize.seed, "Draws the calibration images (default 0)");
  quantize_command->add_option("--parameter", quantize.parameters, "name=value, may be repeated");
  quantize_command->add_option("--out", quantize.out, "The plan file (safetensors)")->required();
  quantize_command->add_flag("--no-checkpoint", quantize.no_checkpoint,
                             "Search everything again, whatever earlier runs found");
  quantize_command->callback([&] { code = cli::Quantize(global, quantize); });

  cli::LatencyFlags latency;
  std::string random_weights;
  auto* latency_command = app.add_subcommand("latency", "Time float32 against integer kernels on one model");
  latency_command->add_option("--model", latency.model)->required();
  latency_command->add_option("--plan", latency.plan, "A plan file (default: min_max W8A8, made on the spot)");
  auto* seed_option = latency_command
                          ->add_option("--random-weights", random_weights,
                                       "Draw the weights, by this seed or 0: no weights file is needed")
                          ->expected(0, 1);
  latency_command->add_option("--batch", latency.batches, "Images per run, 1,8 (default) or others")->delimiter(',');
  latency_command->add_option("--threads", latency.threads, "Threads of both sides, 1,2 (default) or others")
      ->delimiter(',');
  latency_command->add_option("--isa", latency.instruction_set,
                              "scalar, avx2 or avx512_vnni (default: the best that the CPU has)");
  latency_command->add_option("--runs", latency.runs, "Rounds (default: 21 at least, and 3 seconds or 301 rounds)");
  latency_command->add_flag("--explain", latency.explain, "Print the kernel of every op, and where the time goes");
  latency_command->add_flag("--no-store", latency.no_store, "Print only");
  latency_command->callback([&] {
    if (seed_option->count() > 0) {
      latency.random_weights = SeedOf(random_weights);
    }
    code = cli::Latency(global, latency);
  });

  cli::CompareFlags compare;
  auto* compare_command = app.add_subcommand("compare", "Compare two stored trials on the same images");
  compare_command->add_option("A", compare.a, "The key of a trial, or its first digits")->required();
  compare_command->add_option("B", compare.b, "Of the other trial")->required();
  compare_command->add_option("--format", compare.format, "table, markdown or json");
  compare_command->callback([&] { code = cli::Compare(global, compare); });

  cli::SensitivityFlags sensitivity;
  auto* sensitivity_command =
      app.add_subcommand("sensitivity", "Quantize each part of a model alone and tell what it costs");
  sensitivity_command->add_option("--model", sensitivity.model)->required();
  sensitivity_command->add_option("--bits", sensitivity.bits, "Widths, 8,6,4 (default) or others")
      ->delimiter(',')
      ->check(CLI::Range(2, 16));
  sensitivity_command->add_option("--by", sensitivity.by, "What is quantized together: op (default), block or kind");
  sensitivity_command->add_option("--method", sensitivity.method, "Who sets the scales (default min_max)");
  sensitivity_command->add_option("--weight-granularity", sensitivity.weight_granularity, "per_tensor or per_channel");
  sensitivity_command->add_option("--dataset", sensitivity.dataset,
                                  "Evaluated images (default: the first set here that fits the model)");
  sensitivity_command->add_option("--images", sensitivity.images, "How many of them, evenly spaced (default 64)");
  sensitivity_command->add_option("--calibration-dataset", sensitivity.calibration_dataset,
                                  "Default: the first set here that fits the model");
  sensitivity_command->add_option("--calibration-images", sensitivity.calibration_images, "How many (default 32)");
  sensitivity_command->add_option("--seed", sensitivity.seed, "Draws the calibration images (default 0)");
  sensitivity_command->add_option("--format", sensitivity.format, "table, markdown or csv");
  sensitivity_command->add_flag("--no-checkpoint", sensitivity.no_checkpoint,
                                "Measure everything again, whatever earlier runs found");
  sensitivity_command->callback([&] { code = cli::Sensitivity(global, sensitivity); });

  std::string reproduced;
  auto* reproduce_command =
      app.add_subcommand("reproduce", "Run a stored trial again and say whether it matches bit for bit");
  reproduce_command->add_option("TRIAL", reproduced, "The key of a trial, or its first digits")->required();
  reproduce_command->callback([&] { code = cli::Reproduce(global, reproduced); });

  app.add_subcommand("checklist", "Print the ML reproducibility checklist, filled in from the results file")
      ->callback([&] { code = cli::Checklist(global); });

  cli::ContactSheetFlags sheet;
  auto* sheet_command = app.add_subcommand("contact-sheet", "Write pictures of a data set as one PNG, a row a class");
  sheet_command->add_option("--dataset", sheet.dataset)->required();
  sheet_command->add_option("--rows", sheet.rows, "Classes shown (default 10)");
  sheet_command->add_option("--columns", sheet.columns, "Pictures per class (default 20)");
  sheet_command->add_option("--out", sheet.out, "The PNG file")->required();
  sheet_command->callback([&] { code = cli::ContactSheet(global, sheet); });

  auto* verify_command = app.add_subcommand("verify", "Check data against the declared hashes, or the results file");
  verify_command->require_subcommand(1);
  verify_command->fallthrough();
  std::vector<std::string> names;
  auto* verify_data =
      verify_command->add_subcommand("data", "Weights and images; says what is missing and how to get it");
  verify_data->add_option("NAME", names, "Models and data sets (default: all)");
  verify_data->callback([&] { code = cli::VerifyData(global, names); });
  auto* verify_results = verify_command->add_subcommand("results", "The SQLite file");
  verify_results->callback([&] { code = cli::VerifyResults(global); });

  auto* db_command = app.add_subcommand("db", "Check, merge, export or compact results files");
  db_command->require_subcommand(1);
  db_command->fallthrough();
  db_command->add_subcommand("check", "The file against itself, as `verify results`")->callback([&] {
    code = cli::VerifyResults(global);
  });
  db_command->add_subcommand("gc", "Drop kept parts of done trials and make the files smaller; no trial is touched")
      ->callback([&] { code = cli::DbGc(global); });
  std::string merge_target, merge_source, export_format;
  auto* db_merge = db_command->add_subcommand("merge", "Add to file A the trials of file B that it lacks");
  db_merge->add_option("A", merge_target, "The file that grows; made where absent")->required();
  db_merge->add_option("B", merge_source, "The file that is read")->required();
  db_merge->callback([&] { code = cli::DbMerge(merge_target, merge_source); });
  auto* db_export = db_command->add_subcommand("export", "Print every trial, one row each");
  db_export->add_option("FORMAT", export_format, "csv or json")->required();
  db_export->callback([&] { code = cli::DbExport(global, export_format); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? cli::kExitDone : cli::kExitUsage;
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  ptq::RestartWithFastSettings(argv);
  ptq::experiments::SetRevision(ptq::experiments::StampedRevision());
  ptq::experiments::KeepFreedMemory();
  EnterCallersFolder();
  try {
    return Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ptqbench: %s\n", error.what());
    return cli::kExitTrialFailed;
  }
}
