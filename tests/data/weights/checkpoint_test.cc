#include "data/weights/checkpoint.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/vit/parameters.h"
#include "data/files/file_io.h"
#include "data/weights/safetensors.h"
#include "tests/data/weights/fails_with.h"
#include "tests/data/weights/pth_builder.h"

namespace ptq::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using vit::TensorMap;

vit::VitConfig TinyConfig(bool distilled) {
  vit::VitConfig config;
  config.image_size = 4;
  config.patch_size = 2;
  config.channels = 1;
  config.width = 4;
  config.depth = 2;
  config.heads = 2;
  config.mlp_hidden = 6;
  config.classes = 3;
  config.distilled = distilled;
  return config;
}

// Every parameter with values that occur nowhere else.
TensorMap TimmTensors(const vit::VitConfig& config) {
  TensorMap tensors;
  float next = 0;
  for (const vit::ParameterShape& parameter : vit::RequiredParameters(config)) {
    int64_t count = 1;
    for (const int64_t size : parameter.shape) {
      count *= size;
    }
    std::vector<float> values(count);
    for (float& value : values) {
      value = next++;
    }
    tensors[parameter.name] = vit::MakeTensor(values, parameter.shape);
  }
  return tensors;
}

// The third `part` (0, 1, 2) of a tensor's first axis.
vit::HostTensor Third(const vit::HostTensor& tensor, size_t part) {
  std::vector<float> values = vit::ToFloats(tensor);
  const size_t third = values.size() / 3;
  std::vector<int64_t> shape = tensor.shape;
  shape[0] /= 3;
  return vit::MakeTensor(std::vector<float>(values.begin() + part * third, values.begin() + (part + 1) * third), shape);
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// Written out name by name, as Hugging Face's modeling_vit.py and modeling_deit.py (transformers 4) name their modules.
TensorMap HuggingFaceTensors(const TensorMap& timm, const std::string& model, const std::string& head) {
  const std::map<std::string, std::string> names = {
      {"cls_token", model + "embeddings.cls_token"},
      {"dist_token", model + "embeddings.distillation_token"},
      {"pos_embed", model + "embeddings.position_embeddings"},
      {"patch_embed.proj.weight", model + "embeddings.patch_embeddings.projection.weight"},
      {"patch_embed.proj.bias", model + "embeddings.patch_embeddings.projection.bias"},
      {"norm.weight", model + "layernorm.weight"},
      {"norm.bias", model + "layernorm.bias"},
      {"head.weight", head + ".weight"},
      {"head.bias", head + ".bias"},
      {"head_dist.weight", "distillation_classifier.weight"},
      {"head_dist.bias", "distillation_classifier.bias"},
  };
  const std::vector<std::pair<std::string, std::string>> modules = {
      {".norm1.", ".layernorm_before."},
      {".norm2.", ".layernorm_after."},
      {".attn.proj.", ".attention.output.dense."},
      {".mlp.fc1.", ".intermediate.dense."},
      {".mlp.fc2.", ".output.dense."},
  };
  TensorMap out;
  for (const auto& [name, tensor] : timm) {
    if (names.count(name) != 0) {
      out[names.at(name)] = tensor;
      continue;
    }
    std::string renamed = Replaced(name, "blocks.", model + "encoder.layer.");
    for (const auto& [from, to] : modules) {
      renamed = Replaced(renamed, from, to);
    }
    if (name.find(".attn.qkv.") == std::string::npos) {
      out[renamed] = tensor;
      continue;
    }
    const char* parts[] = {"query", "key", "value"};
    for (size_t part = 0; part < 3; ++part) {
      out[Replaced(renamed, "attn.qkv", std::string("attention.attention.") + parts[part])] = Third(tensor, part);
    }
  }
  return out;
}

void ExpectSame(const Result<TensorMap>& found, const TensorMap& expected) {
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  ASSERT_EQ(found->size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_EQ(found->count(name), 1) << name;
    EXPECT_EQ(found->at(name).shape, tensor.shape) << name;
    EXPECT_EQ(*found->at(name).bytes, *tensor.bytes) << name;
  }
}

std::string WriteTensors(const std::string& name, const TensorMap& tensors) {
  const std::string path = testing::TempDir() + "/" + name;
  EXPECT_TRUE(WriteSafetensors(path, {tensors, {}}).ok());
  return path;
}

TEST(CanonicalNames, TimmPassesUnchanged) {
  for (const bool distilled : {false, true}) {
    const TensorMap timm = TimmTensors(TinyConfig(distilled));
    ExpectSame(CanonicalNames(timm, "file"), timm);
  }
}

TEST(CanonicalNames, HuggingFaceVitAndDistilledDeit) {
  const TensorMap plain = TimmTensors(TinyConfig(false));
  ASSERT_EQ(HuggingFaceTensors(plain, "vit.", "classifier").count("vit.encoder.layer.1.attention.attention.key.bias"),
            1);
  ExpectSame(CanonicalNames(HuggingFaceTensors(plain, "vit.", "classifier"), "file"), plain);
  ExpectSame(CanonicalNames(HuggingFaceTensors(plain, "deit.", "classifier"), "file"), plain);
  ExpectSame(CanonicalNames(HuggingFaceTensors(plain, "", "classifier"), "file"), plain);
  const TensorMap distilled = TimmTensors(TinyConfig(true));
  ExpectSame(CanonicalNames(HuggingFaceTensors(distilled, "deit.", "cls_classifier"), "file"), distilled);
}

TEST(CanonicalNames, DropsOnlyWhatAClassifierDoesNotUse) {
  const TensorMap timm = TimmTensors(TinyConfig(false));
  TensorMap file = HuggingFaceTensors(timm, "vit.", "classifier");
  file["vit.pooler.dense.weight"] = timm.at("norm.weight");
  file["vit.pooler.dense.bias"] = timm.at("norm.weight");
  file["vit.embeddings.mask_token"] = timm.at("cls_token");
  ExpectSame(CanonicalNames(file, "file"), timm);
  file["vit.extra"] = timm.at("norm.weight");
  EXPECT_EQ(CanonicalNames(file, "file")->count("extra"), 1);
  TensorMap in21k = timm;
  in21k["pre_logits.fc.weight"] = timm.at("norm.weight");
  EXPECT_THAT(CanonicalNames(in21k, "file"),
              FailsWith(ErrorCode::kUnsupported, AllOf(HasSubstr("'pre_logits.fc.weight' [4]"), HasSubstr("file: "))));
}

TEST(CanonicalNames, CommonPrefixes) {
  const TensorMap timm = TimmTensors(TinyConfig(false));
  for (const std::string prefix : {"module.", "model.", "module.model."}) {
    TensorMap file;
    for (const auto& [name, tensor] : timm) {
      file[prefix + name] = tensor;
    }
    ExpectSame(CanonicalNames(file, "file"), timm);
    file["other"] = timm.at("norm.weight");
    EXPECT_EQ(CanonicalNames(file, "file")->count(prefix + "head.bias"), 1) << prefix;
  }
  EXPECT_TRUE(CanonicalNames({}, "file").ok());
}

TEST(CanonicalNames, QueryKeyAndValueMustFitTogether) {
  const TensorMap good = HuggingFaceTensors(TimmTensors(TinyConfig(false)), "vit.", "classifier");
  const std::string key = "vit.encoder.layer.1.attention.attention.key.weight";
  TensorMap lacking = good;
  lacking.erase(key);
  EXPECT_THAT(CanonicalNames(lacking, "file"),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("'blocks.1.attn.key.weight'")));
  TensorMap other_shape = good;
  other_shape[key] = good.at("vit.encoder.layer.1.intermediate.dense.weight");
  EXPECT_THAT(CanonicalNames(other_shape, "file"),
              FailsWith(ErrorCode::kInvalidArgument, AllOf(HasSubstr("[4, 4]"), HasSubstr("[6, 4]"))));
  TensorMap scalar = good;
  for (const char* part : {"query", "key", "value"}) {
    scalar[Replaced(key, "key", part)] = vit::MakeTensor(std::vector<float>{1}, {});
  }
  EXPECT_THAT(CanonicalNames(scalar, "file"), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("fit together")));
  TensorMap two = good;
  two["encoder.layer.1.intermediate.dense.weight"] = good.at(key);
  EXPECT_THAT(CanonicalNames(two, "file"),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("two tensors of the file stand for 'blocks.1.mlp.fc1")));
}

TEST(ReadCheckpoint, SafetensorsUnderAnyName) {
  const TensorMap timm = TimmTensors(TinyConfig(true));
  ExpectSame(ReadCheckpoint(WriteTensors("timm.bin", timm), TinyConfig(true)), timm);
  ExpectSame(
      ReadCheckpoint(WriteTensors("hf.pth", HuggingFaceTensors(timm, "deit.", "cls_classifier")), TinyConfig(true)),
      timm);
}

TEST(ReadCheckpoint, PthUnderAnyName) {
  const TensorMap timm = TimmTensors(TinyConfig(false));
  PickleWriter pickle;
  pickle.EmptyDictionary().Text("model").EmptyDictionary().Mark();
  ZipEntries storages;
  for (const auto& [name, tensor] : timm) {
    const std::string key = std::to_string(storages.size());
    std::vector<int64_t> strides(tensor.shape.size(), 1);
    for (size_t axis = strides.size(); axis-- > 1;) {
      strides[axis - 1] = strides[axis] * tensor.shape[axis];
    }
    pickle.Text("module." + name).Tensor("FloatStorage", key, tensor.elements(), 0, tensor.shape, strides);
    storages.emplace_back(key, std::string(reinterpret_cast<const char*>(tensor.bytes->data()), tensor.bytes->size()));
  }
  const std::string path = testing::TempDir() + "/model.safetensors";
  ASSERT_TRUE(WriteFileAtomically(path, PthBytes(pickle.SetItems().Op("s").Stop(), storages)).ok());
  ExpectSame(ReadCheckpoint(path, TinyConfig(false)), timm);
}

TEST(ReadCheckpoint, ErrorsNameFileTensorShapesAndNearestName) {
  const vit::VitConfig config = TinyConfig(false);
  const TensorMap timm = TimmTensors(config);
  TensorMap file = timm;
  file["head.weight"] = timm.at("head.bias");
  EXPECT_THAT(ReadCheckpoint(WriteTensors("shape.safetensors", file), config),
              FailsWith(ErrorCode::kInvalidArgument, AllOf(HasSubstr("shape.safetensors"), HasSubstr("'head.weight'"),
                                                           HasSubstr("[3]"), HasSubstr("[3, 4]"))));
  file = timm;
  file["cls_tokens"] = timm.at("cls_token");
  file.erase("cls_token");
  EXPECT_THAT(ReadCheckpoint(WriteTensors("typo.safetensors", file), config),
              FailsWith(ErrorCode::kNotFound, AllOf(HasSubstr("typo.safetensors"), HasSubstr("'cls_token' [1, 1, 4]"),
                                                    HasSubstr("'cls_tokens'"))));
  file = timm;
  file["fc_norm.weight"] = timm.at("norm.weight");
  EXPECT_THAT(ReadCheckpoint(WriteTensors("more.safetensors", file), config),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("'fc_norm.weight'")));
}

TEST(ReadCheckpoint, TellsFilesApartByContent) {
  const auto write = [](const std::string& name, const std::string& bytes) {
    const std::string path = testing::TempDir() + "/" + name;
    EXPECT_TRUE(WriteFileAtomically(path, bytes).ok());
    return path;
  };
  const vit::VitConfig config = TinyConfig(false);
  EXPECT_THAT(ReadCheckpoint(write("old.safetensors", "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."), config),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("before PyTorch 1.6")));
  EXPECT_THAT(ReadCheckpoint(write("page.pth", "<!DOCTYPE html><html></html>"), config),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("no safetensors file")));
  EXPECT_THAT(ReadCheckpoint(write("empty.pth", ""), config), FailsWith(ErrorCode::kCorrupt, HasSubstr("0 bytes")));
  EXPECT_THAT(ReadCheckpoint(testing::TempDir() + "/absent", config),
              FailsWith(ErrorCode::kNotFound, HasSubstr("absent")));
  // A safetensors header of 0x0280 bytes begins like a pickle.
  TensorMap long_names = TimmTensors(config);
  const std::string header =
      "{\"" + std::string(0x280 - 53, 'x') + "\":{\"dtype\":\"I8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
  const std::string padded = header + std::string(0x280 - header.size(), ' ');
  EXPECT_THAT(ReadCheckpoint(write("like_pickle", std::string("\x80\x02\0\0\0\0\0\0", 8) + padded), config),
              FailsWith(ErrorCode::kNotFound, HasSubstr("'cls_token'")));
}

}  // namespace
}  // namespace ptq::data
