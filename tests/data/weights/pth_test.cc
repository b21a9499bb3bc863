#include "data/weights/pth.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "data/files/file_io.h"
#include "tests/data/weights/fails_with.h"
#include "tests/data/weights/pth_builder.h"

namespace ptq::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

Result<vit::TensorMap> Parse(const std::string& bytes) {
  return ParsePth(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "some.pth");
}

template <typename T>
std::string BytesOf(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

const std::string kSix = BytesOf<float>({0, 1, 2, 3, 4, 5});  // the storage "0" of most tests

// {"w": one tensor on the storage "0" with six floats}
Result<vit::TensorMap> ParseTensor(int64_t offset, const std::vector<int64_t>& shape,
                                   const std::vector<int64_t>& strides, int64_t elements = 6,
                                   const std::string& type = "FloatStorage") {
  PickleWriter pickle;
  pickle.EmptyDictionary().Mark().Text("w").Tensor(type, "0", elements, offset, shape, strides).SetItems();
  return Parse(PthBytes(pickle.Stop(), {{"0", kSix}}));
}

std::vector<float> Values(const Result<vit::TensorMap>& tensors, const std::string& name = "w") {
  EXPECT_TRUE(tensors.ok()) << tensors.error().ToString();
  return tensors.ok() ? vit::ToFloats(tensors->at(name)) : std::vector<float>{};
}

// data.pkl of PyTorch 1.13.1 (Debian 12) for
//   torch.save({'model': OrderedDict(w=torch.arange(6.).view(2, 3).t(), b=torch.tensor([1.5, -2.]).half()),
//               'epoch': 3}, path)
std::string GoldenPickle() {
  return FromHex(
      "80027d71002858050000006d6f64656c710163636f6c6c656374696f6e730a4f726465726564446963740a710229527103285801000000"
      "77710463746f7263682e5f7574696c730a5f72656275696c645f74656e736f725f76320a71052828580700000073746f72616765710663"
      "746f7263680a466c6f617453746f726167650a71075801000000307108580300000063707571094b0674710a514b004b034b0286710b4b"
      "014b0386710c8968022952710d74710e52710f580100000062711068052828680663746f7263680a48616c6653746f726167650a711158"
      "0100000031711268094b02747113514b004b028571144b018571158968022952711674711752711875580500000065706f636871194b03"
      "752e");
}

TEST(Pth, ReadsWhatPyTorchWrote) {
  const std::string bytes = ZipBytes({{"gold/data.pkl", GoldenPickle()},
                                      {"gold/data/0", kSix},
                                      {"gold/data/1", FromHex("003e00c0")},
                                      {"gold/version", "3\n"}});
  const auto tensors = Parse(bytes);
  ASSERT_TRUE(tensors.ok()) << tensors.error().ToString();
  ASSERT_EQ(tensors->size(), 2);
  EXPECT_EQ(tensors->at("w").shape, (std::vector<int64_t>{3, 2}));
  EXPECT_THAT(Values(tensors), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_EQ(tensors->at("b").dtype, vit::DType::kF16);
  EXPECT_THAT(Values(tensors, "b"), ElementsAre(1.5F, -2));
  const std::string path = testing::TempDir() + "/gold.pth";
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  EXPECT_THAT(Values(ReadPth(path)), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Pth, StridesOffsetsAndViews) {
  EXPECT_THAT(Values(ParseTensor(0, {2, 3}, {3, 1})), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Values(ParseTensor(0, {3, 2}, {1, 3})), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(Values(ParseTensor(1, {2, 2}, {3, 1})), ElementsAre(1, 2, 4, 5));
  EXPECT_THAT(Values(ParseTensor(5, {}, {})), ElementsAre(5));
  EXPECT_THAT(Values(ParseTensor(2, {2, 3}, {0, 1})), ElementsAre(2, 3, 4, 2, 3, 4));
  EXPECT_THAT(Values(ParseTensor(0, {1, 6, 1}, {99, 1, 77})), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Values(ParseTensor(0, {1, 2}, {INT64_MAX, 3})), ElementsAre(0, 3));
  EXPECT_THAT(Values(ParseTensor(9, {0, 4}, {4, 1})), ElementsAre());
  EXPECT_EQ(ParseTensor(0, {0, 4}, {4, 1})->at("w").shape, (std::vector<int64_t>{0, 4}));
}

TEST(Pth, RefusesReachesBeyondTheStorage) {
  struct Case {
    int64_t offset;
    std::vector<int64_t> shape;
    std::vector<int64_t> strides;
  };
  constexpr int64_t kHuge = int64_t{1} << 62;
  for (const Case& bad :
       {Case{1, {2, 3}, {3, 1}}, Case{6, {}, {}}, Case{0, {7}, {1}}, Case{0, {2}, {6}},
        Case{0, {2, 2}, {INT64_MAX, INT64_MAX}}, Case{INT64_MAX, {2}, {1}}, Case{0, {kHuge, 4}, {0, 0}},
        Case{0, {INT64_MAX}, {1}}, Case{0, {3}, {kHuge}}, Case{0, {kHuge, 8, 0}, {1, 1, 1}}}) {
    EXPECT_THAT(ParseTensor(bad.offset, bad.shape, bad.strides),
                FailsWith(ErrorCode::kCorrupt, AllOf(HasSubstr("some.pth"), HasSubstr("'w'"), HasSubstr("beyond"))));
  }
}

TEST(Pth, RefusesStoragesThatAreNotWhatTheyClaim) {
  EXPECT_THAT(ParseTensor(0, {6}, {1}, 7), FailsWith(ErrorCode::kCorrupt, HasSubstr("24 bytes")));
  EXPECT_THAT(ParseTensor(0, {5}, {1}, 5), FailsWith(ErrorCode::kCorrupt, HasSubstr("24 bytes")));
  EXPECT_THAT(ParseTensor(0, {1}, {1}, INT64_MAX), FailsWith(ErrorCode::kCorrupt, HasSubstr("24 bytes")));
  EXPECT_THAT(ParseTensor(0, {6}, {1}, 6, "DoubleStorage"), FailsWith(ErrorCode::kCorrupt, HasSubstr("F64")));
  PickleWriter pickle;
  pickle.EmptyDictionary().Mark().Text("w").Tensor("FloatStorage", "../x", 6, 0, {6}, {1}).SetItems();
  EXPECT_THAT(Parse(PthBytes(pickle.Stop(), {{"0", kSix}})),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("no entry 'archive/data/../x'")));
}

TEST(Pth, EveryDtypeAndSharedStorages) {
  PickleWriter pickle;
  pickle.EmptyDictionary().Mark();
  pickle.Text("bf16").Tensor("BFloat16Storage", "b", 2, 0, {2}, {1});
  pickle.Text("f64").Tensor("DoubleStorage", "d", 1, 0, {}, {});
  pickle.Text("i64").Tensor("LongStorage", "d", 1, 0, {1}, {1});
  pickle.Text("i32").Tensor("IntStorage", "d", 2, 0, {2}, {1});
  pickle.Text("i16").Tensor("ShortStorage", "b", 2, 0, {2}, {1});
  pickle.Text("i8").Tensor("CharStorage", "b", 4, 3, {1}, {1});
  pickle.Text("u8").Tensor("ByteStorage", "b", 4, 3, {1}, {1});
  pickle.Text("bool").Tensor("BoolStorage", "b", 4, 0, {1}, {1});
  pickle.Text("w").Tensor("FloatStorage", "0", 6, 0, {6}, {1});
  pickle.Text("tied").Tensor("FloatStorage", "0", 6, 0, {6}, {1});
  pickle.Text("part").Tensor("FloatStorage", "0", 6, 4, {2}, {1}).SetItems();
  const auto tensors =
      Parse(PthBytes(pickle.Stop(), {{"0", kSix}, {"b", FromHex("c03f00c0")}, {"d", BytesOf<double>({2})}}));
  ASSERT_TRUE(tensors.ok()) << tensors.error().ToString();
  EXPECT_THAT(Values(tensors, "bf16"), ElementsAre(1.5F, -2));
  EXPECT_THAT(Values(tensors, "f64"), ElementsAre(2));
  EXPECT_THAT(Values(tensors, "i64"), ElementsAre(4611686018427387904.F));
  EXPECT_THAT(Values(tensors, "i32"), ElementsAre(0, 1073741824));
  EXPECT_THAT(Values(tensors, "i16"), ElementsAre(16320, -16384));
  EXPECT_THAT(Values(tensors, "i8"), ElementsAre(-64));
  EXPECT_THAT(Values(tensors, "u8"), ElementsAre(192));
  EXPECT_EQ(tensors->at("bool").dtype, vit::DType::kBool);
  EXPECT_EQ(tensors->at("w").bytes, tensors->at("tied").bytes);  // one copy in memory
  EXPECT_THAT(Values(tensors, "part"), ElementsAre(4, 5));
}

std::string Nested(const std::string& key) {
  PickleWriter pickle;
  pickle.EmptyDictionary().Mark().Text("epoch").Integer(3).Text(key).OrderedDictionary().Mark();
  pickle.Text("step").Integer(7).Text("w").Tensor("FloatStorage", "0", 6, 0, {6}, {1}).SetItems();
  pickle.EmptyDictionary().Text("_metadata").OrderedDictionary().Op("sb");
  return PthBytes(pickle.SetItems().Stop(), {{"0", kSix}});
}

TEST(Pth, FindsTheStateDict) {
  for (const char* key : {"model", "state_dict", "model_state_dict", "model_ema"}) {
    const auto tensors = Parse(Nested(key));
    EXPECT_EQ(Values(tensors).size(), 6) << key;
    EXPECT_EQ(tensors->size(), 1) << key;
  }
  EXPECT_THAT(Parse(Nested("weights")), FailsWith(ErrorCode::kUnsupported, HasSubstr("'state_dict'")));
  PickleWriter both;
  both.EmptyDictionary().Mark();
  for (const auto& [key, offset] : {std::pair<const char*, int64_t>{"model_ema", 1}, {"model", 2}}) {
    both.Text(key).EmptyDictionary().Text("w").Tensor("FloatStorage", "0", 6, offset, {1}, {1}).Op("s");
  }
  EXPECT_THAT(Values(Parse(PthBytes(both.SetItems().Stop(), {{"0", kSix}}))), ElementsAre(2));
}

TEST(Pth, RefusesWhatIsNoStateDict) {
  EXPECT_THAT(Parse(PthBytes(PickleWriter().Op("]").Stop(), {})),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("a list")));
  EXPECT_THAT(Parse(PthBytes(PickleWriter().EmptyDictionary().Stop(), {})),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("no tensors")));
  PickleWriter twice;
  twice.EmptyDictionary().Mark();
  for (int i = 0; i < 2; ++i) {
    twice.Text("w").Tensor("FloatStorage", "0", 6, 0, {6}, {1});
  }
  EXPECT_THAT(Parse(PthBytes(twice.SetItems().Stop(), {{"0", kSix}})),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'w' occurs twice")));
  PickleWriter numbered;
  numbered.EmptyDictionary().Integer(3).Tensor("FloatStorage", "0", 6, 0, {6}, {1}).Op("s");
  EXPECT_THAT(Parse(PthBytes(numbered.Stop(), {{"0", kSix}})), FailsWith(ErrorCode::kCorrupt, HasSubstr("an integer")));
  const std::string evil = PickleWriter().Global("os", "system").Mark().Text("true").Tuple().Reduce().Stop();
  EXPECT_THAT(Parse(PthBytes(evil, {})),
              FailsWith(ErrorCode::kUnsupported, AllOf(HasSubstr("'os.system'"), HasSubstr("some.pth"))));
}

TEST(Pth, ASmallFileCannotAskForMuchMemory) {
  EXPECT_THAT(ParseTensor(0, {1 << 20}, {0}), FailsWith(ErrorCode::kUnsupported, HasSubstr("64 times")));
  EXPECT_THAT(ParseTensor(0, {int64_t{1} << 55}, {0}), FailsWith(ErrorCode::kUnsupported, HasSubstr("64 times")));
  PickleWriter many;
  many.EmptyDictionary().Mark();
  for (int i = 0; i < 100; ++i) {
    many.Text("w" + std::to_string(i)).Tensor("FloatStorage", "0", 6, 0, {10'000}, {0});
  }
  EXPECT_THAT(Parse(PthBytes(many.SetItems().Stop(), {{"0", kSix}})),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("64 times")));
}

TEST(Pth, ByteOrder) {
  PickleWriter pickle;
  pickle.EmptyDictionary().Mark().Text("w").Tensor("FloatStorage", "0", 6, 0, {6}, {1}).SetItems();
  auto with_order = [&](const std::string& order) {
    return Parse(ZipBytes({{"a/data.pkl", pickle.Stop()}, {"a/byteorder", order}, {"a/data/0", kSix}}));
  };
  EXPECT_EQ(Values(with_order("little")).size(), 6);
  EXPECT_THAT(with_order("big"), FailsWith(ErrorCode::kUnsupported, HasSubstr("'big'")));
}

TEST(Pth, OtherFilesAreTold) {
  EXPECT_THAT(Parse(std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.")),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("before PyTorch 1.6")));
  EXPECT_THAT(Parse("GIF89a"), FailsWith(ErrorCode::kCorrupt, HasSubstr("no PyTorch checkpoint")));
  EXPECT_THAT(Parse(""), FailsWith(ErrorCode::kCorrupt, HasSubstr("no PyTorch checkpoint")));
  EXPECT_THAT(Parse(ZipBytes({{"word/document.xml", "x"}})), FailsWith(ErrorCode::kUnsupported, HasSubstr("data.pkl")));
  EXPECT_THAT(Parse(ZipBytes({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}})),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("2 entries")));
  EXPECT_THAT(Parse(ZipBytes({{"a/data.pkl", std::string(1'000'000, 'N')}}, /*stored=*/false)),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("compressed")));
  EXPECT_THAT(ReadPth(testing::TempDir() + "/absent.pth"), FailsWith(ErrorCode::kNotFound, HasSubstr("absent.pth")));
}

TEST(Pth, NoTruncationIsAccepted) {
  const std::string good = Nested("model");
  ASSERT_TRUE(Parse(good).ok());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Parse(good.substr(0, length)).ok()) << length;
  }
}

}  // namespace
}  // namespace ptq::data
