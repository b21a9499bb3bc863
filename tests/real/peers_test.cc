// Methods on the real DeiT-Tiny against the predictions of their authors' official codes: same weights, same 32
// calibration images, same 1300 photographs, paired.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "baselines/all_baselines.h"
#include "baselines/repq_vit/percentile_search.h"
#include "baselines/repq_vit/reparameterize.h"
#include "core/exec/executor.h"
#include "core/method/method.h"
#include "core/quant/fake_quant.h"
#include "data/images/batch_stream.h"
#include "data/images/dataset.h"
#include "data/weights/checkpoint.h"
#include "tests/real/mcnemar.h"
#include "tests/testing/tiny_model.h"

namespace ptq {
namespace {

constexpr int64_t kBatch = 20;

// The p that images lost and gained have in a table of the official codes' figures; exact values are binomial sums.
TEST(McNemarTest, ExactTwoSided) {
  EXPECT_EQ(McNemarExact(0, 0), 1);
  EXPECT_EQ(McNemarExact(6, 5), 1);
  EXPECT_NEAR(McNemarExact(5, 0), 2 / 32.0, 1e-12);
  EXPECT_NEAR(McNemarExact(1, 3), 2 * (1 + 4) / 16.0, 1e-12);
  EXPECT_NEAR(McNemarExact(17, 13), 0.58, 0.005);
  EXPECT_NEAR(McNemarExact(20, 26), 0.46, 0.005);
  EXPECT_NEAR(McNemarExact(35, 17), 0.018, 0.0005);
  EXPECT_NEAR(McNemarExact(184, 32) / 4e-27, 1, 0.15);
}

struct PeerCase {
  const char* name;
  const char* method;
  int bits;
  int patch_input_bits;
  std::map<std::string, method::ParameterValue> given;
  const char* column;
};

std::vector<PeerCase> Cases() {
  return {
      {"RepqVitW6A6", "repq_vit", 6, 8, {}, "repqvit_w6a6"},
      {"RepqVitW4A4", "repq_vit", 4, 8, {}, "repqvit_w4a4"},
      {"Ptq4VitW6A6", "ptq4vit", 6, 32, {}, "ptq4vit_PTQ4ViT_w6a6"},
      {"Ptq4VitW4A4", "ptq4vit", 4, 32, {}, "ptq4vit_PTQ4ViT_w4a4"},
      // The names of these runs list the factor and no log2 softmax.
      {"FqVitFactorW8A8", "fq_vit", 8, 0, {{"log2_softmax", false}}, "fq_vit_minmax_ptf_w8a8"},
      {"FqVitMinMaxW8A8", "fq_vit", 8, 0, {{"log2_softmax", false}, {"ptf_factor", int64_t{0}}}, "fq_vit_minmax_w8a8"},
  };
}

// The official codes' answers: path and label of each photograph, and a predicted class per column.
struct Peers {
  std::vector<std::string> paths;
  std::vector<int64_t> labels;
  std::map<std::string, std::vector<int64_t>> predictions;
};

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

// What all cases share, read once.
struct Shared {
  vit::VitModel model;
  Peers peers;
  at::Tensor calibration, validation;
};

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

std::vector<int64_t> Predictions(exec::Executor& executor, const at::Tensor& images) {
  std::vector<int64_t> predictions;
  for (int64_t done = 0; done < images.size(0); done += kBatch) {
    const at::Tensor top = executor.Run(images.narrow(0, done, std::min(kBatch, images.size(0) - done))).argmax(1);
    predictions.insert(predictions.end(), top.data_ptr<int64_t>(), top.data_ptr<int64_t>() + top.numel());
  }
  return predictions;
}

class PeersTest : public ::testing::TestWithParam<PeerCase> {
 protected:
  void SetUp() override {
    if (std::getenv("PTQBENCH_SHARED") == nullptr) {
      GTEST_SKIP() << "PTQBENCH_SHARED is not set: it names the folder with data/ and reference/";
    }
  }
};

// As good as the official code: the images on which exactly one of the two is right fall to both sides alike.
TEST_P(PeersTest, AgreesWithTheOfficialCode) {
  const PeerCase& peer = GetParam();
  method::Registry registry;
  ASSERT_TRUE(baselines::RegisterAllBaselines(registry).ok());
  const Result<const method::Method*> method = registry.Find(peer.method);
  if (!method.ok()) {
    GTEST_SKIP() << peer.method << " is not registered";
  }
  const Shared& shared = TheShared();
  ASSERT_EQ(shared.calibration.size(0), 32);

  method::Scheme scheme{peer.bits, peer.bits, quant::Granularity::kPerChannel};
  scheme.patch_input_bits = peer.patch_input_bits;
  const method::Parameters parameters = method::Parameters::Resolve((*method)->info().parameters, peer.given).value();
  NullProgress progress;
  NullCheckpoint checkpoint;
  testing::MemoryImages images(shared.calibration);
  calib::Calibration calibration(shared.model, images, progress);
  const Result<method::Plan> plan = (*method)->Quantize(
      {shared.model, calibration, scheme, parameters, RandomStream(0, "peers"), progress, checkpoint});
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  const auto executor = exec::MakeSimulatedExecutor(shared.model, *plan).value();
  const std::vector<int64_t> ours = Predictions(*executor, shared.validation);

  const std::vector<int64_t>& theirs = shared.peers.predictions.at(peer.column);
  int64_t right = 0, official_right = 0, lost = 0, gained = 0, same = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    const bool is_right = ours[i] == shared.peers.labels[i];
    const bool was_right = theirs[i] == shared.peers.labels[i];
    right += is_right ? 1 : 0;
    official_right += was_right ? 1 : 0;
    lost += was_right && !is_right ? 1 : 0;
    gained += is_right && !was_right ? 1 : 0;
    same += ours[i] == theirs[i] ? 1 : 0;
  }
  const auto percent = [&](int64_t count) {
    return 100.0 * static_cast<double>(count) / static_cast<double>(ours.size());
  };
  const double p = McNemarExact(lost, gained);
  std::ostringstream line;
  line.precision(4);
  line << percent(right) << " % (official code " << percent(official_right) << " %), " << lost << " lost and " << gained
       << " gained against it, p = " << p << ", same prediction for " << percent(same) << " %";
  std::cout << peer.name << ": " << line.str() << "\n";
  RecordProperty("against_the_official_code", line.str());
  EXPECT_GE(p, 0.05) << line.str();
}

// Keeps what the linear layers behind a block's LayerNorms read.
class NormOutputEngine final : public vit::OpEngine {
 public:
  at::Tensor Linear(const vit::OpId& op, const at::Tensor& input, const at::Tensor& weight,
                    const at::Tensor& bias) override {
    if (op.kind == vit::OpKind::kQkv || op.kind == vit::OpKind::kFc1) {
      outputs[op.kind] = input;
    }
    return OpEngine::Linear(op, input, weight, bias);
  }
  std::map<vit::OpKind, at::Tensor> outputs;
};

// RepQ-ViT's claim on real activations: per-channel codes before folding are the per-tensor codes after it.  Float32
// moves values that lie at a tie; two channels of this model have a LayerNorm weight of exactly 0.
TEST(RepqVitOnDeiTTinyTest, FoldingKeepsTheCodes) {
  if (std::getenv("PTQBENCH_SHARED") == nullptr) {
    GTEST_SKIP() << "PTQBENCH_SHARED is not set: it names the folder with data/ and reference/";
  }
  const at::NoGradGuard no_grad;
  const vit::VitModel& model = TheShared().model;
  for (const int bits : {4, 6, 8}) {
    vit::OpEngine engine;
    at::Tensor x = model.Embed(TheShared().calibration.narrow(0, 0, 8), engine);
    int64_t codes = 0, equal = 0;
    for (int64_t block = 0; block < model.config().depth; ++block) {
      NormOutputEngine before;
      const at::Tensor next = model.Block(block, x, before);
      vit::TensorMap replaced;
      std::map<vit::OpKind, std::pair<quant::QuantParams, quant::QuantParams>> params;  // per channel, per tensor
      for (const auto& [kind, output] : before.outputs) {
        const vit::OpId op{kind, block};
        const std::string norm = "blocks." + std::to_string(block) + (kind == vit::OpKind::kQkv ? ".norm1" : ".norm2");
        const quant::QuantParams channels = baselines::ChooseChannels(output, bits);
        const baselines::Reparameterized folded =
            baselines::Reparameterize(channels, model.parameter(norm + ".weight"), model.parameter(norm + ".bias"),
                                      model.parameter(op.weight_name()), model.parameter(op.bias_name()));
        replaced[norm + ".weight"] = vit::FromTorch(folded.norm_weight);
        replaced[norm + ".bias"] = vit::FromTorch(folded.norm_bias);
        replaced[op.weight_name()] = vit::FromTorch(folded.weight);
        replaced[op.bias_name()] = vit::FromTorch(folded.bias);
        params[kind] = {channels, folded.input};
      }
      NormOutputEngine after;
      model.WithReplaced(replaced).value().Block(block, x, after);
      for (const auto& [kind, output] : before.outputs) {
        const at::Tensor same = quant::Quantize(output, params[kind].first)
                                    .eq(quant::Quantize(after.outputs.at(kind), params[kind].second));
        codes += same.numel();
        equal += same.sum().item<int64_t>();
      }
      x = next;
    }
    std::cout << bits << " bits: " << codes - equal << " of " << codes << " codes differ\n";
    RecordProperty("codes_that_differ_at_" + std::to_string(bits) + "_bits", std::to_string(codes - equal));
    EXPECT_GE(static_cast<double>(equal), 0.9999 * static_cast<double>(codes)) << bits << " bits";
  }
}

INSTANTIATE_TEST_SUITE_P(OfficialCodes, PeersTest, ::testing::ValuesIn(Cases()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ptq
