#include "data/weights/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "data/files/file_io.h"
#include "tests/data/weights/fails_with.h"

namespace ptq::data {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string LengthPrefix(uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes.push_back(static_cast<char>((length >> (8 * i)) & 0xff));
  }
  return bytes;
}

// A file with this header text and `data_bytes` bytes of data.
std::string FileBytes(const std::string& header, size_t data_bytes = 0) {
  return LengthPrefix(header.size()) + header + std::string(data_bytes, '\x01');
}

Result<SafetensorsFile> Parse(const std::string& bytes) {
  return ParseSafetensors(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "some.safetensors");
}

Result<SafetensorsFile> ParseHeader(const std::string& header, size_t data_bytes = 0) {
  return Parse(FileBytes(header, data_bytes));
}

vit::HostTensor Raw(vit::DType dtype, std::vector<int64_t> shape, const std::vector<uint8_t>& bytes) {
  auto copy = std::make_shared<std::vector<std::byte>>(bytes.size());
  if (!bytes.empty()) {
    std::memcpy(copy->data(), bytes.data(), bytes.size());
  }
  return {dtype, std::move(shape), std::move(copy)};
}

void ExpectSame(const vit::TensorMap& a, const vit::TensorMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) {
    ASSERT_EQ(b.count(name), 1) << name;
    EXPECT_EQ(tensor.dtype, b.at(name).dtype) << name;
    EXPECT_EQ(tensor.shape, b.at(name).shape) << name;
    EXPECT_EQ(*tensor.bytes, *b.at(name).bytes) << name;
  }
}

SafetensorsFile OneOfEach() {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}, {"note", "\"quoted\" \\ line\n end \xc3\xa9"}};
  // 0x7fc12345 and 0xff812345 are NaNs with payloads (quiet and signalling), then -0 and a subnormal.
  file.tensors["z.f32"] = Raw(vit::DType::kF32, {2, 2},
                              {0x45, 0x23, 0xc1, 0x7f, 0x45, 0x23, 0x81, 0xff,  //
                               0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00});
  file.tensors["f16"] = Raw(vit::DType::kF16, {1}, {0x01, 0x7e});
  file.tensors["bf16"] = Raw(vit::DType::kBF16, {1, 1}, {0xc1, 0x7f});
  file.tensors["f64"] = Raw(vit::DType::kF64, {}, {1, 2, 3, 4, 5, 6, 7, 8});
  file.tensors["i64"] = Raw(vit::DType::kI64, {1}, {1, 2, 3, 4, 5, 6, 7, 0x88});
  file.tensors["i32"] = Raw(vit::DType::kI32, {}, {1, 2, 3, 0x84});
  file.tensors["i16"] = Raw(vit::DType::kI16, {1}, {1, 0x82});
  file.tensors["i8"] = Raw(vit::DType::kI8, {3}, {0x81, 0, 1});
  file.tensors["u8"] = Raw(vit::DType::kU8, {1}, {255});
  file.tensors["bool"] = Raw(vit::DType::kBool, {1}, {1});
  file.tensors["empty"] = Raw(vit::DType::kF32, {0, 7}, {});
  return file;
}

TEST(Safetensors, RoundTripKeepsEveryBit) {
  const SafetensorsFile file = OneOfEach();
  const auto read = Parse(SerializeSafetensors(file));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ExpectSame(file.tensors, read->tensors);
  EXPECT_EQ(read->metadata, file.metadata);
}

TEST(Safetensors, RoundTripThroughAFile) {
  const std::string path = testing::TempDir() + "/round_trip.safetensors";
  const SafetensorsFile file = OneOfEach();
  ASSERT_TRUE(WriteSafetensors(path, file).ok());
  const auto read = ReadSafetensors(path);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  ExpectSame(file.tensors, read->tensors);
  EXPECT_EQ(ReadFile(path).value(), SerializeSafetensors(file));
}

TEST(Safetensors, CanonicalBytesAreFrozen) {
  SafetensorsFile file;
  file.metadata = {{"format", "pt"}};
  file.tensors["b"] = Raw(vit::DType::kI8, {1}, {0x42});
  file.tensors["c"] = Raw(vit::DType::kF32, {1}, {1, 2, 3, 4});
  const std::string header =
      "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"data_offsets\":[4,5],\"dtype\":\"I8\",\"shape\":[1]},"
      "\"c\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[1]}}";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(SerializeSafetensors(file), LengthPrefix(padded.size()) + padded + "\x01\x02\x03\x04\x42");
}

TEST(Safetensors, TheReservedNameIsNotWritten) {
  SafetensorsFile file;
  file.tensors["__metadata__"] = Raw(vit::DType::kI8, {1}, {1});
  EXPECT_THAT(WriteSafetensors(testing::TempDir() + "/reserved.safetensors", file),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("__metadata__")));
}

TEST(Safetensors, ReadsPaddingAnyOrderAndEmptyFiles) {
  EXPECT_TRUE(ParseHeader("{}").ok());
  EXPECT_TRUE(ParseHeader("{\"__metadata__\": {}}   ").ok());
  const auto file = ParseHeader(
      "{\"later\": {\"shape\": [], \"data_offsets\": [4, 6], \"dtype\": \"BF16\"},"
      " \"first\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"
      " \"none\":{\"dtype\":\"F16\",\"shape\":[2,0],\"data_offsets\":[4,4]}}  ",
      6);
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(file->tensors.at("later").elements(), 1);
  EXPECT_EQ(file->tensors.at("none").elements(), 0);
}

TEST(Safetensors, ErrorsNameTheFile) {
  EXPECT_THAT(Parse("short"), FailsWith(ErrorCode::kCorrupt, AllOf(HasSubstr("some.safetensors"), HasSubstr("5"))));
  EXPECT_THAT(ReadSafetensors(testing::TempDir() + "/absent.safetensors"),
              FailsWith(ErrorCode::kNotFound, HasSubstr("absent.safetensors")));
}

TEST(Safetensors, RefusesHeaderLengths) {
  EXPECT_THAT(Parse(LengthPrefix(3) + "{}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("claims 3 bytes")));
  EXPECT_THAT(Parse(LengthPrefix(100'000'001) + "{}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("100000001")));
  EXPECT_THAT(Parse(LengthPrefix(~uint64_t{0}) + "{}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("claims")));
  EXPECT_THAT(Parse(LengthPrefix(0) + "{}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("'{'")));
  EXPECT_THAT(Parse(""), FailsWith(ErrorCode::kCorrupt, HasSubstr("0 bytes")));
}

TEST(Safetensors, RefusesHeadersThatAreNoJson) {
  for (const char* header : {"{", "{\"a\"", "{}{}", "{} x", "{'a':1}", "{\"a\":}", "{,}", " {}", "\xef\xbb\xbf{}"}) {
    EXPECT_THAT(ParseHeader(header), FailsWith(ErrorCode::kCorrupt, HasSubstr("header"))) << header;
  }
  EXPECT_THAT(ParseHeader("{\"\xff\xfe\":{}}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("JSON")));
}

TEST(Safetensors, RefusesDeepNestingAtOnce) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(ParseHeader("{\"a\":" + deep), FailsWith(ErrorCode::kCorrupt, HasSubstr("an array")));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) {
    objects += "{\"a\":";
  }
  EXPECT_THAT(ParseHeader(objects), FailsWith(ErrorCode::kCorrupt, HasSubstr("'a'")));
}

TEST(Safetensors, RefusesDuplicates) {
  const std::string tensor = "{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}";
  EXPECT_THAT(ParseHeader("{\"w\":" + tensor + ",\"w\":" + tensor + "}", 1),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'w' occurs twice")));
  EXPECT_THAT(ParseHeader("{\"w\":" + tensor + ",\"\\u0077\":" + tensor + "}", 1),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'w' occurs twice")));
  EXPECT_THAT(ParseHeader("{\"__metadata__\":{},\"__metadata__\":{}}"),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("twice")));
  EXPECT_THAT(ParseHeader("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'k' occurs twice")));
  EXPECT_THAT(ParseHeader("{\"w\":{\"dtype\":\"I8\",\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1]}}", 1),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("two fields 'dtype'")));
}

// One tensor "w" with these three fields in a file of `data_bytes` data bytes.
Result<SafetensorsFile> ParseTensor(const std::string& dtype, const std::string& shape, const std::string& offsets,
                                    size_t data_bytes) {
  return ParseHeader("{\"w\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
                     data_bytes);
}

TEST(Safetensors, RefusesWrongFields) {
  const std::string f32 = "\"F32\"";
  ASSERT_TRUE(ParseTensor(f32, "[2]", "[0,8]", 8).ok());
  struct Case {
    const char* dtype;
    const char* shape;
    const char* offsets;
  };
  for (const Case& bad :
       {Case{"1", "[2]", "[0,8]"}, Case{"null", "[2]", "[0,8]"}, Case{"[]", "[2]", "[0,8]"},
        Case{"\"F32\"", "[-2]", "[0,8]"}, Case{"\"F32\"", "[2.0]", "[0,8]"}, Case{"\"F32\"", "[\"2\"]", "[0,8]"},
        Case{"\"F32\"", "[[2]]", "[0,8]"}, Case{"\"F32\"", "2", "[0,8]"}, Case{"\"F32\"", "[2]", "[0]"},
        Case{"\"F32\"", "[2]", "[]"}, Case{"\"F32\"", "[2]", "[0,8,8]"}, Case{"\"F32\"", "[2]", "[8,0]"},
        Case{"\"F32\"", "[2]", "[-8,0]"}, Case{"\"F32\"", "[2]", "8"}, Case{"\"F32\"", "[3]", "[0,8]"},
        Case{"\"F32\"", "[1]", "[0,8]"}, Case{"\"F16\"", "[2]", "[0,8]"}, Case{"\"F32\"", "[true]", "[0,8]"},
        Case{"\"F32\"", "{}", "[0,8]"}}) {
    EXPECT_THAT(ParseTensor(bad.dtype, bad.shape, bad.offsets, 8), FailsWith(ErrorCode::kCorrupt, HasSubstr("'w'")))
        << bad.dtype << " " << bad.shape << " " << bad.offsets;
  }
  EXPECT_THAT(ParseHeader("{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("lacks")));
  EXPECT_THAT(ParseHeader("{\"w\":{\"dtype\":\"I8\",\"shape\":[],\"data_offsets\":[0,1],\"more\":1}}", 1),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'more'")));
  EXPECT_THAT(ParseHeader("{\"w\":3}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("'w'")));
  EXPECT_THAT(ParseHeader("{\"__metadata__\":{\"k\":3}}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("'k'")));
  EXPECT_THAT(ParseHeader("{\"__metadata__\":null}"), FailsWith(ErrorCode::kCorrupt, HasSubstr("null")));
}

TEST(Safetensors, RefusesShapesThatOverflow) {
  for (const char* shape : {"[4294967296,4294967296]", "[9223372036854775807,2]", "[4611686018427387904]",
                            "[9223372036854775808]", "[4611686018427387904,4,0]"}) {
    EXPECT_THAT(ParseTensor("\"F32\"", shape, "[0,0]", 0), FailsWith(ErrorCode::kCorrupt, HasSubstr("overflows")))
        << shape;
  }
  EXPECT_THAT(ParseTensor("\"F32\"", "[18446744073709551616]", "[0,0]", 0),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("too large")));
  EXPECT_THAT(ParseTensor("\"F32\"", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,4]", 4),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("axes")));
}

TEST(Safetensors, RefusesRangesOutsideTheFile) {
  EXPECT_THAT(ParseTensor("\"F32\"", "[2]", "[0,8]", 7), FailsWith(ErrorCode::kCorrupt, HasSubstr("cut short")));
  EXPECT_THAT(ParseTensor("\"F32\"", "[2]", "[18446744073709551608,18446744073709551615]", 8),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'w'")));
  EXPECT_THAT(ParseTensor("\"I8\"", "[7]", "[18446744073709551608,18446744073709551615]", 8),
              FailsWith(ErrorCode::kCorrupt, HasSubstr("'w'")));
}

TEST(Safetensors, RefusesOverlapsHolesAndTrailingBytes) {
  auto two = [](const std::string& a, const std::string& b, size_t data_bytes) {
    return ParseHeader("{\"a\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":" + a +
                           "},\"b\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":" + b + "}}",
                       data_bytes);
  };
  ASSERT_TRUE(two("[4,8]", "[0,4]", 8).ok());
  EXPECT_THAT(two("[0,4]", "[0,4]", 4), FailsWith(ErrorCode::kCorrupt, HasSubstr("'a' and 'b' overlap")));
  EXPECT_THAT(two("[2,6]", "[0,4]", 6), FailsWith(ErrorCode::kCorrupt, HasSubstr("'b' and 'a' overlap")));
  EXPECT_THAT(two("[0,4]", "[5,9]", 9), FailsWith(ErrorCode::kCorrupt, HasSubstr("bytes 4 to 5")));
  EXPECT_THAT(two("[1,5]", "[5,9]", 9), FailsWith(ErrorCode::kCorrupt, HasSubstr("bytes 0 to 1")));
  EXPECT_THAT(two("[0,4]", "[4,8]", 11), FailsWith(ErrorCode::kCorrupt, HasSubstr("3 bytes after")));
  EXPECT_THAT(ParseHeader("{}", 1), FailsWith(ErrorCode::kCorrupt, HasSubstr("1 bytes after")));
}

TEST(Safetensors, AnUnknownDtypeIsNamed) {
  EXPECT_THAT(ParseTensor("\"F8_E4M3\"", "[2]", "[0,2]", 2),
              FailsWith(ErrorCode::kUnsupported, AllOf(HasSubstr("'w'"), HasSubstr("'F8_E4M3'"))));
}

TEST(Safetensors, EveryTruncationOfAGoodFileIsRefused) {
  const std::string good = SerializeSafetensors(OneOfEach());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_THAT(Parse(good.substr(0, length)), FailsWith(ErrorCode::kCorrupt, HasSubstr("some.safetensors"))) << length;
  }
}

}  // namespace
}  // namespace ptq::data
