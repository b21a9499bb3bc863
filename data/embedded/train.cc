// Trains an embedded model and writes its weights:
//   train --model micro_vit --out micro_vit.safetensors
//   train --model micro_deit --teacher micro_vit.safetensors --out micro_deit.safetensors
#include <malloc.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <climits>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "core/base/fast_start.h"
#include "data/embedded/channel_spread.h"
#include "data/embedded/pictures.h"
#include "data/embedded/trainer.h"
#include "data/embedded/weights_file.h"

namespace ptq::data {
namespace {

struct Request {
  std::string model, teacher, out;
  TrainOptions options;
};

double SecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Status Run(Request request) {
  const auto begin = std::chrono::steady_clock::now();
  const std::filesystem::path folder = std::filesystem::absolute(request.out).parent_path();
  if (!std::filesystem::is_directory(folder)) {
    return NotFound("the folder of --out does not exist; make it before a long training", folder.string());
  }
  const bool on_gpu = torch::cuda::is_available();
  const at::Device device(on_gpu ? at::kCUDA : at::kCPU);
  if (on_gpu) {
    request.options.threads = 1;
  }
  at::set_num_threads(1);
  PTQ_ASSIGN_OR_RETURN(const vit::VitConfig config, EmbeddedConfig(request.model));
  PTQ_ASSIGN_OR_RETURN(vit::VitModel model, InitialModel(config, request.options.seed));
  const Pictures train = DrawSplit("train");
  at::Tensor targets = config.distilled ? train.labels : at::Tensor();
  if (!request.teacher.empty()) {
    PTQ_ASSIGN_OR_RETURN(const vit::VitConfig teacher_config, EmbeddedConfig("micro_vit"));
    PTQ_ASSIGN_OR_RETURN(vit::VitModel teacher, ReadWeights(request.teacher, teacher_config));
    if (config.distilled) {
      PTQ_ASSIGN_OR_RETURN(model, DistilledFrom(teacher));
    }
    teacher.MoveTo(device);
    targets = Predict(teacher, train, request.options.threads);
  }
  model.MoveTo(device);
  std::printf("%s, %s, %d workers, ready after %.0f s\n", vit::ToString(config).c_str(), on_gpu ? "GPU" : "CPU",
              request.options.threads, SecondsSince(begin));
  PTQ_RETURN_IF_ERROR(Train(request.options, train, targets, model, [&](const TrainStep& step) {
    std::printf("step %ld of %ld, loss %.4f, %.0f images/s, %.0f s\n", static_cast<long>(step.step),
                static_cast<long>(step.steps), step.loss, step.images_per_second, SecondsSince(begin));
    std::fflush(stdout);
  }));
  SpreadChannels(model, request.options.seed);
  const vit::TensorMap rounded = RoundedToHalf(model.parameters());
  PTQ_RETURN_IF_ERROR(WriteWeights(request.out, rounded, request.model, request.options.seed));
  PTQ_ASSIGN_OR_RETURN(vit::VitModel written, ReadWeights(request.out, config));
  written.MoveTo(device);
  std::printf("top-1 on the test pictures %.2f %%, %.0f s in all\n",
              100.0 * AccuracyFraction(written, DrawSplit("test"), request.options.threads), SecondsSince(begin));
  return OkStatus();
}

}  // namespace
}  // namespace ptq::data

int main(int argc, char** argv) {
  ptq::RestartWithFastSettings(argv);
  // Without this glibc returns each large tensor to the system, and every step pays for the pages again.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 256 << 20);
  ptq::data::Request request;
  CLI::App app("Trains an embedded model of ptqbench.");
  app.option_defaults()->always_capture_default();
  app.add_option("--model", request.model, "micro_vit or micro_deit")->required();
  app.add_option("--out", request.out, "the safetensors file to write")->required();
  app.add_option("--teacher", request.teacher,
                 "weights of a micro_vit, from which the model begins and which its distillation token imitates");
  app.add_option("--checkpoint", request.options.checkpoint, "saved while training, and continued where it exists");
  app.add_option("--seed", request.options.seed, "of initial weights, order and augmentation");
  app.add_option("--epochs", request.options.epochs, "passes over the train split")->check(CLI::Range(1, 10000));
  app.add_option("--batch", request.options.batch, "pictures a step")->check(CLI::Range(2, 4096));
  app.add_option("--learning-rate", request.options.peak_learning_rate, "at its peak");
  app.add_option("--threads", request.options.threads, "workers on the CPU; the weights depend on it")
      ->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);
  try {
    const ptq::Status status = ptq::data::Run(request);
    if (!status.ok()) {
      std::fprintf(stderr, "train: %s\n", status.error().ToString().c_str());
      return 1;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train: %s\n", error.what());
    return 1;
  }
  return 0;
}
