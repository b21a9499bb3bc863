#include "data/weights/pickle.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "data/weights/pickle_bytes.h"
#include "tests/data/weights/fails_with.h"
#include "tests/data/weights/pth_builder.h"

namespace ptq::data {
namespace {

using Kind = PickleValue::Kind;
using testing::AllOf;
using testing::HasSubstr;

// A literal with its zero bytes.
template <size_t size>
std::string Bytes(const char (&literal)[size]) {
  return std::string(literal, size - 1);
}

Result<Pickle> Read(const std::string& opcodes) { return ReadPickle(opcodes, "some.pth"); }

TEST(Pickle, ReadsEveryKindOfValue) {
  // [None, True, False, 255, 65535, -2, -129, 2^40, 1.5, "text", (1,), (1, 2), (), {"k": 1}]
  const std::string list =
      Bytes("\x80\x02](N\x88\x89K\xffM\xff\xffJ\xfe\xff\xff\xff\x8a\x02\x7f\xff\x8a\x06\0\0\0\0\0\x01") +
      Bytes("G\x3f\xf8\0\0\0\0\0\0") + Bytes("X\x04\0\0\0text") + "K\x01\x85K\x01K\x02\x86)}\x8c\x01kK\x01se.";
  const auto pickle = Read(list);
  ASSERT_TRUE(pickle.ok()) << pickle.error().ToString();
  const auto& items = pickle->root->items;
  ASSERT_EQ(items.size(), 14);
  EXPECT_EQ(items[0]->kind, Kind::kNone);
  EXPECT_EQ(items[1]->integer, 1);
  EXPECT_EQ(items[2]->kind, Kind::kBool);
  EXPECT_EQ(items[3]->integer, 255);
  EXPECT_EQ(items[4]->integer, 65535);
  EXPECT_EQ(items[5]->integer, -2);
  EXPECT_EQ(items[6]->integer, -129);
  EXPECT_EQ(items[7]->integer, int64_t{1} << 40);
  EXPECT_EQ(items[8]->number, 1.5);
  EXPECT_EQ(items[9]->text, "text");
  EXPECT_EQ(items[10]->items.size(), 1);
  ASSERT_EQ(items[11]->items.size(), 2);
  EXPECT_EQ(items[11]->items[1]->integer, 2);
  EXPECT_EQ(items[12]->kind, Kind::kTuple);
  ASSERT_EQ(items[13]->kind, Kind::kDictionary);
  EXPECT_EQ(items[13]->items[0]->text, "k");
}

// Python: pickle.dumps({"a": "x" * 3, "b": [OrderedDict()]}, protocol=4), with its frame, MEMOIZE and STACK_GLOBAL.
TEST(Pickle, ReadsProtocolFour) {
  const std::string bytes = Bytes("\x80\x04\x95\x37\0\0\0\0\0\0\0") +
                            "}\x94(\x8c\x01"
                            "a\x94\x8c\x03xxx\x94\x8c\x01"
                            "b\x94]\x94\x8c\x0b"
                            "collections\x94" +
                            "\x8c\x0bOrderedDict\x94\x93\x94)R\x94"
                            "au.";
  const auto pickle = Read(bytes);
  ASSERT_TRUE(pickle.ok()) << pickle.error().ToString();
  ASSERT_EQ(pickle->root->items.size(), 4);
  EXPECT_EQ(pickle->root->items[3]->items[0]->kind, Kind::kDictionary);
}

// os.system("touch FILE") as pickle.dumps writes it for an object with __reduce__.
TEST(Pickle, AForeignGlobalIsNamedAndNotRun) {
  const std::string path = testing::TempDir() + "/pickle_was_run";
  const std::string evil = PickleWriter().Global("os", "system").Mark().Text("touch " + path).Tuple().Reduce().Stop();
  EXPECT_THAT(Read(evil), FailsWith(ErrorCode::kUnsupported, AllOf(HasSubstr("'os.system'"), HasSubstr("some.pth"))));
  const std::string stack_global = std::string("\x80\x04") + "\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.";
  EXPECT_THAT(Read(stack_global), FailsWith(ErrorCode::kUnsupported, HasSubstr("'os.system'")));
  EXPECT_NE(std::system(("test -e '" + path + "'").c_str()), 0);
  for (const char* name : {"eval", "exec", "__import__", "getattr"}) {
    EXPECT_THAT(Read(PickleWriter().Global("builtins", name).Stop()),
                FailsWith(ErrorCode::kUnsupported, HasSubstr(name)));
  }
  // A dotted name must not reach a known one by another split.
  EXPECT_THAT(Read(PickleWriter().Global("torch._utils", "_rebuild_tensor_v3").Stop()),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("_rebuild_tensor_v3")));
}

TEST(Pickle, OpcodesThatImportOrCallOtherwiseAreRefused) {
  for (const char* opcode : {"i", "o", "\x82", "\x83", "\x84", "P", "\x92", "S", "I", "0", "2"}) {
    EXPECT_THAT(Read(PickleWriter().Op(opcode).Stop()), FailsWith(ErrorCode::kUnsupported, HasSubstr("opcode 0x")));
  }
  EXPECT_THAT(Read("\x80\x06N."), FailsWith(ErrorCode::kUnsupported, HasSubstr("protocol 6")));
}

TEST(Pickle, ObjectsBesideTheWeightsStayOpaque) {
  PickleWriter writer;
  writer.Global("argparse", "Namespace").EmptyTuple().Op("\x81").EmptyDictionary().Text("lr").Integer(1).Op("sb");
  const auto pickle = Read(writer.Stop());
  ASSERT_TRUE(pickle.ok()) << pickle.error().ToString();
  EXPECT_EQ(pickle->root->kind, Kind::kOpaque);
  EXPECT_EQ(pickle->root->text, "argparse.Namespace");
  EXPECT_TRUE(pickle->root->items.empty());
}

TEST(Pickle, StackAndMemoAreChecked) {
  for (const char* opcodes :
       {".",          "t.",        "\x85.", "}s.",           "}K\x01s.", "]a.",    "a.",    "u.",
        "e.",         "}(K\x01u.", "N(e.",  "]K\x01K\x02s.", "h\x05.",   "q\x01.", "\x94.", "R.",
        "NR.",        "NNR.",      "Q.",    "NQ.",           "b.",       "NNb.",   "\x93.", "NN\x93.",
        "K\x01(\x85."}) {
    EXPECT_THAT(Read(std::string("\x80\x02") + opcodes), FailsWith(ErrorCode::kCorrupt, HasSubstr("data.pkl")))
        << opcodes;
  }
}

TEST(Pickle, EveryTruncationIsRefused) {
  const std::string good = PickleWriter()
                               .EmptyDictionary()
                               .Mark()
                               .Text("w")
                               .Tensor("FloatStorage", "0", 6, 0, {2, 3}, {3, 1})
                               .SetItems()
                               .Stop();
  ASSERT_TRUE(Read(good).ok());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_THAT(Read(good.substr(0, length)), FailsWith(ErrorCode::kCorrupt, HasSubstr("ends in the middle")))
        << length;
  }
}

TEST(Pickle, LengthsDoNotOverflow) {
  EXPECT_THAT(Read(Bytes("\x80\x02X\xff\xff\xff\xff.")), FailsWith(ErrorCode::kCorrupt, HasSubstr("middle")));
  EXPECT_THAT(Read("\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff."),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("middle")));
  EXPECT_THAT(Read("\x80\x02\x8a\x09"
                   "123456789."),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("64 bits")));
}

TEST(Pickle, AContainerMayContainItself) {
  EXPECT_TRUE(Read("\x80\x02]q\x01h\x01"
                   "a.")
                  .ok());
}

TEST(Pickle, MillionsOfValuesReferencesAndMarksAreBounded) {
  EXPECT_THAT(Read(std::string("\x80\x02") + std::string(kMaxPickleValues + 1, 'N') + "."),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("values")));
  EXPECT_THAT(Read(std::string("\x80\x02N") + std::string(kMaxPickleValues + 1, '\x94') + "."),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("values")));
  EXPECT_THAT(Read(std::string("\x80\x02") + std::string(10'000'000, '(') + "."),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("never made")));
  EXPECT_THAT(Read(std::string(kMaxPickleBytes + 1, '(')), FailsWith(ErrorCode::kUnsupported, HasSubstr("bytes")));
  // Half a million nested tuples: neither reading nor freeing recurses.
  EXPECT_TRUE(Read(std::string("\x80\x02N") + std::string(kMaxPickleValues - 1, '\x85') + ".").ok());
}

TEST(Pickle, ArgumentsOfKnownGlobalsAreChecked) {
  auto rebuild = [](const std::string& arguments) {
    return Read(PickleWriter().Global("torch._utils", "_rebuild_tensor_v2").Op(arguments).Reduce().Stop());
  };
  EXPECT_THAT(rebuild(")"), FailsWith(ErrorCode::kCorrupt, HasSubstr("rebuilds a tensor")));
  EXPECT_THAT(rebuild("N"), FailsWith(ErrorCode::kCorrupt, HasSubstr("calls")));
  EXPECT_THAT(Read(PickleWriter().Tensor("FloatStorage", "0", 6, -1, {2}, {1}).Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("negative")));
  EXPECT_THAT(Read(PickleWriter().Tensor("FloatStorage", "0", 6, 0, {-2}, {1}).Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("negative")));
  EXPECT_THAT(Read(PickleWriter().Tensor("FloatStorage", "0", 6, 0, {2}, {1, 1}).Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("fit together")));
  EXPECT_THAT(Read(PickleWriter()
                       .Tensor("FloatStorage", "0", 6, 0, std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1))
                       .Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("fit together")));
  EXPECT_THAT(Read(PickleWriter().Storage("FloatStorage", "0", -1).Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("persistent id")));
  EXPECT_THAT(Read(PickleWriter().Storage("FloatStorage", std::string(65, '0'), 1).Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("numbers them")));
  EXPECT_THAT(Read(PickleWriter().Storage("Size", "0", 1).Stop()), FailsWith(ErrorCode::kCorrupt, HasSubstr("Size")));
  EXPECT_THAT(Read(PickleWriter().Storage("ComplexFloatStorage", "0", 1).Stop()),
              FailsWith(ErrorCode::kUnsupported, HasSubstr("torch.ComplexFloatStorage")));
  EXPECT_THAT(Read(PickleWriter().Global("collections", "OrderedDict").Integers({1}).Reduce().Stop()),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("OrderedDict")));
}

TEST(Pickle, SizesAndParametersPassThrough) {
  PickleWriter size;
  size.Global("torch", "Size").Mark().Integers({2, 3}).Tuple().Reduce();
  const auto pickle = Read(size.Stop());
  ASSERT_TRUE(pickle.ok()) << pickle.error().ToString();
  EXPECT_EQ(pickle->root->items.size(), 2);
  PickleWriter parameter;
  parameter.Global("torch._utils", "_rebuild_parameter").Mark().Tensor("FloatStorage", "0", 6, 0, {6}, {1});
  parameter.Op("\x88").OrderedDictionary().Tuple().Reduce();
  const auto tensor = Read(parameter.Stop());
  ASSERT_TRUE(tensor.ok()) << tensor.error().ToString();
  EXPECT_EQ(tensor->root->kind, Kind::kTensor);
}

TEST(PickleBytes, Utf8) {
  for (const char* good : {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "\xe2\x82", "\xe2(\xa1"}) {
    EXPECT_FALSE(IsUtf8(bad)) << bad;
  }
  EXPECT_THAT(Read(PickleWriter().Text("\xff").Stop()), FailsWith(ErrorCode::kCorrupt, HasSubstr("UTF-8")));
}

}  // namespace
}  // namespace ptq::data
