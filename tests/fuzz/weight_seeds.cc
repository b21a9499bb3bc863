// weight_seeds.cc: writes the first inputs for safetensors_fuzz and pth_fuzz.  Usage: weight_seeds FOLDER, which gets
// the folders safetensors/ and pth/.

#include <cstdio>
#include <filesystem>
#include <string>

#include "data/files/file_io.h"
#include "data/weights/safetensors.h"
#include "tests/data/weights/pth_builder.h"

namespace ptq::data {
namespace {

std::string TwoTensors() {
  PickleWriter pickle;
  pickle.OrderedDictionary().Mark().Text("a").Tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1});
  pickle.Text("b").Tensor("BFloat16Storage", "1", 4, 1, {3, 2}, {1, 0}).SetItems();
  pickle.EmptyDictionary().Text("_metadata").OrderedDictionary().Op("sb");
  return pickle.Stop();
}

std::string Training() {
  PickleWriter pickle;
  pickle.EmptyDictionary().Op("q\x01").Mark().Text("epoch").Op("K\x03").Text("lr").Op("G?\x84\xe1G\xae\x14z\xe1");
  pickle.Text("args").Global("argparse", "Namespace").EmptyTuple().Op("\x81").EmptyDictionary().Op("b");
  pickle.Text("list").Op("]").Mark().Op("N\x88\x89M\x01\x02J\xff\xff\xff\xff").Op("e").Text("self").Op("h\x01");
  return pickle.Text("model")
      .EmptyDictionary()
      .Text("w")
      .Tensor("LongStorage", "2", 0, 0, {0, 4}, {4, 1})
      .Op("s")
      .SetItems()
      .Stop();
}

SafetensorsFile SmallFile() {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}};
  file.tensors = {{"head.weight", vit::MakeTensor(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3})},
                  {"empty", vit::MakeTensor(std::vector<float>{}, {0, 3})},
                  {"scalar", vit::MakeTensor(std::vector<int32_t>{7}, {})}};
  return file;
}

Status WriteSeeds(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder + "/safetensors", error);
  std::filesystem::create_directories(folder + "/pth", error);
  PTQ_RETURN_IF_ERROR(WriteFileAtomically(folder + "/safetensors/small", SerializeSafetensors(SmallFile())));
  PTQ_RETURN_IF_ERROR(WriteFileAtomically(folder + "/safetensors/none", SerializeSafetensors({})));
  PTQ_RETURN_IF_ERROR(WriteFileAtomically(folder + "/pth/two_pickle", "\x01" + TwoTensors()));
  PTQ_RETURN_IF_ERROR(WriteFileAtomically(folder + "/pth/training_pickle", "\x01" + Training()));
  const std::string storage(24, '\x3f');
  return WriteFileAtomically(folder + "/pth/two_archive",
                             "\x02" + PthBytes(TwoTensors(), {{"0", storage}, {"1", storage.substr(0, 8)}}));
}

}  // namespace
}  // namespace ptq::data

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: weight_seeds FOLDER\n");
    return 2;
  }
  const ptq::Status status = ptq::data::WriteSeeds(argv[1]);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.error().ToString().c_str());
  }
  return status.ok() ? 0 : 1;
}
