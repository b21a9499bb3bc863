#include "tests/real/peers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "baselines/all_baselines.h"
#include "core/exec/executor.h"
#include "core/method/method.h"
#include "data/images/batch_stream.h"
#include "data/images/dataset.h"
#include "data/weights/checkpoint.h"
#include "results/accuracy_statistics.h"
#include "tests/testing/tiny_model.h"

namespace ptq {
namespace {

constexpr int64_t kBatch = 20;

std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) {
    fields.push_back(field);
  }
  return fields;
}

Peers ReadPeers(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> names = Fields(line);
  Peers peers;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = Fields(line);
    PTQ_CHECK(fields.size() == names.size()) << line;
    peers.paths.push_back(fields[0]);
    peers.labels.push_back(std::stoll(fields[1]));
    for (size_t i = 2; i < fields.size(); ++i) {
      peers.predictions[names[i]].push_back(std::stoll(fields[i]));
    }
  }
  return peers;
}

// All pictures of a data set whose file name is in `names` (every one where it is empty), decoded and normalised.
at::Tensor ReadImages(const data::Dataset& dataset, const std::vector<std::string>& names) {
  std::vector<int64_t> indices;
  for (size_t i = 0; i < dataset.samples().size(); ++i) {
    const std::string& id = dataset.samples()[i].id;
    const std::string name = id.substr(id.rfind('/') + 1);
    if (names.empty() || std::find(names.begin(), names.end(), name) != names.end()) {
      indices.push_back(static_cast<int64_t>(i));
    }
  }
  at::Tensor images = at::empty({static_cast<int64_t>(indices.size()), 3, 224, 224});
  data::BatchStream stream(dataset, indices, data::EffectivePreprocessing({}, dataset.entry()), kBatch, 2);
  for (int64_t done = 0; done < images.size(0);) {
    data::ImageBatch batch = stream.Next().value();
    const auto size = static_cast<int64_t>(batch.indices.size());
    images.narrow(0, done, size).copy_(at::from_blob(batch.pixels.data(), {size, 3, 224, 224}, at::kFloat));
    done += size;
  }
  return images;
}

data::DatasetEntry PhotographEntry(const std::string& name, int64_t count) {
  data::DatasetEntry entry;
  entry.name = name;
  entry.kind = data::DatasetKind::kImageList;
  entry.root = name;
  entry.labels = "labels.txt";
  entry.count = count;
  entry.classes = 1000;
  entry.apply_exif_orientation = false;
  return entry;
}

std::vector<int64_t> Predictions(exec::Executor& executor, const at::Tensor& images) {
  std::vector<int64_t> predictions;
  for (int64_t done = 0; done < images.size(0); done += kBatch) {
    const at::Tensor top = executor.Run(images.narrow(0, done, std::min(kBatch, images.size(0) - done))).argmax(1);
    predictions.insert(predictions.end(), top.data_ptr<int64_t>(), top.data_ptr<int64_t>() + top.numel());
  }
  return predictions;
}

}  // namespace

bool HasSharedFolder() { return std::getenv("PTQBENCH_SHARED") != nullptr; }

const Shared& TheShared() {
  static const Shared* shared = [] {
    const std::string root = std::getenv("PTQBENCH_SHARED");
    const std::string data = root + "/data";
    const vit::VitConfig config;
    const vit::TensorMap weights =
        data::ReadCheckpoint(data + "/models/deit_tiny_patch16_224.safetensors", config).value();
    std::vector<std::string> names;
    std::ifstream list(root + "/reference/golden/calib32.txt");
    for (std::string line; std::getline(list, line);) {
      names.push_back(line);
    }
    data::DatasetEntry validation = PhotographEntry("imagenet_val1300", 1300);
    validation.resize = "crop_only";
    const auto validation_set = data::OpenDataset(validation, data).value();
    const auto calibration_set = data::OpenDataset(PhotographEntry("imagenet_calib1000", 1000), data).value();
    Peers peers = ReadPeers(root + "/reference/peers_predictions_val1300.csv");
    PTQ_CHECK(peers.paths.size() == validation_set->samples().size());
    for (size_t i = 0; i < peers.paths.size(); ++i) {
      PTQ_CHECK(peers.paths[i] == validation_set->samples()[i].id) << peers.paths[i];
    }
    return new Shared{vit::VitModel::Create(config, weights).value(), std::move(peers),
                      ReadImages(*calibration_set, names), ReadImages(*validation_set, {})};
  }();
  return *shared;
}

Result<std::vector<int64_t>> PredictionsOf(const PeerCase& peer, uint64_t seed) {
  const Shared& shared = TheShared();
  method::Registry registry;
  PTQ_RETURN_IF_ERROR(baselines::RegisterAllBaselines(registry));
  PTQ_ASSIGN_OR_RETURN(const method::Method* method, registry.Find(peer.method));
  PTQ_ASSIGN_OR_RETURN(const method::Parameters parameters,
                       method::Parameters::Resolve(method->info().parameters, peer.given));
  method::Scheme scheme{peer.bits, peer.bits, peer.granularity};
  scheme.patch_input_bits = peer.patch_input_bits;
  PTQ_RETURN_IF_ERROR(method->Supports(scheme, parameters, shared.model.config()));
  NullProgress progress;
  NullCheckpoint checkpoint;
  testing::MemoryImages images(shared.calibration);
  calib::Calibration calibration(shared.model, images, progress);
  PTQ_ASSIGN_OR_RETURN(const method::Plan plan, method->Quantize({shared.model, calibration, scheme, parameters,
                                                                  RandomStream(seed, "peers"), progress, checkpoint}));
  PTQ_ASSIGN_OR_RETURN(const auto executor, exec::MakeSimulatedExecutor(shared.model, plan));
  return Predictions(*executor, shared.validation);
}

double PercentEqual(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  PTQ_CHECK(a.size() == b.size() && !a.empty()) << a.size() << " against " << b.size();
  int64_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    equal += a[i] == b[i] ? 1 : 0;
  }
  return 100.0 * static_cast<double>(equal) / static_cast<double>(a.size());
}

Comparison Compare(const std::vector<int64_t>& ours, const std::vector<int64_t>& theirs,
                   const std::vector<int64_t>& labels) {
  Comparison comparison;
  comparison.percent_right = PercentEqual(ours, labels);
  comparison.official_percent_right = PercentEqual(theirs, labels);
  comparison.percent_same = PercentEqual(ours, theirs);
  for (size_t i = 0; i < labels.size(); ++i) {
    comparison.lost += theirs[i] == labels[i] && ours[i] != labels[i] ? 1 : 0;
    comparison.gained += ours[i] == labels[i] && theirs[i] != labels[i] ? 1 : 0;
  }
  comparison.p = results::McNemarExact(comparison.lost, comparison.gained);
  return comparison;
}

std::string Comparison::ToString() const {
  std::ostringstream line;
  line.precision(4);
  line << percent_right << " % (official code " << official_percent_right << " %), " << lost << " lost and " << gained
       << " gained against it, p = " << p << ", same prediction for " << percent_same << " %";
  return line.str();
}

Interval PredictionInterval(const std::vector<double>& draws) {
  PTQ_CHECK(draws.size() == 4) << draws.size();
  constexpr double kStudent = 3.182446;  // the 97.5 % quantile with 3 degrees of freedom
  const double mean = std::accumulate(draws.begin(), draws.end(), 0.0) / 4;
  double squares = 0;
  for (const double draw : draws) {
    squares += (draw - mean) * (draw - mean);
  }
  const double half = kStudent * std::sqrt(squares / 3) * std::sqrt(1 + 1 / 4.0);
  return {mean - half, mean + half};
}

}  // namespace ptq
