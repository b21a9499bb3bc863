#include "data/weights/safetensors_header.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "data/weights/byte_source.h"

namespace ptq::data {
namespace {

using nlohmann::json;

std::optional<vit::DType> DTypeNamed(const std::string& name) {
  using vit::DType;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI64, DType::kI32, DType::kI16,
                            DType::kI8, DType::kU8, DType::kBool}) {
    if (name == vit::Name(dtype)) {
      return dtype;
    }
  }
  return std::nullopt;
}

// Where the parser stands.  The format has no other place, so that an unexpected '{' or '[' ends the reading.
enum class Place { kOutside, kNames, kMetadata, kTensor, kShape, kOffsets };

class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(const std::string& where) : where_(where) {}

  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) {
      place_ = Place::kNames;
      return true;
    }
    if (place_ != Place::kNames) {
      return Misplaced("an object");
    }
    if (name_ == "__metadata__") {
      place_ = Place::kMetadata;
      return true;
    }
    place_ = Place::kTensor;
    entry_ = SafetensorsEntry{};
    entry_.name = name_;
    dtype_.reset();
    offsets_.clear();
    fields_.clear();
    return true;
  }

  bool key(string_t& text) override {
    if (place_ == Place::kNames) {
      name_ = text;
      return names_.insert(text).second || Fail(Corrupt("the name " + Quoted(text) + " occurs twice", where_));
    }
    key_ = text;
    if (place_ == Place::kMetadata) {
      return header_.metadata.emplace(text, "").second ||
             Fail(Corrupt("the metadata key " + Quoted(text) + " occurs twice", where_));
    }
    if (text != "dtype" && text != "shape" && text != "data_offsets") {
      return Fail(Corrupt("tensor " + Quoted(name_) + " has the unknown field " + Quoted(text), where_));
    }
    return fields_.insert(text).second ||
           Fail(Corrupt("tensor " + Quoted(name_) + " has two fields " + Quoted(text), where_));
  }

  bool string(string_t& text) override {
    if (place_ == Place::kMetadata) {
      header_.metadata[key_] = text;
      return true;
    }
    if (place_ != Place::kTensor || key_ != "dtype") {
      return Misplaced("a string");
    }
    dtype_ = DTypeNamed(text);
    return dtype_.has_value() ||
           Fail(Unsupported("tensor " + Quoted(name_) + " has the dtype " + Quoted(text) +
                                "; supported are F64, F32, F16, BF16, I64, I32, I16, I8, U8 and BOOL",
                            where_));
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Fail(Corrupt("the shape of tensor " + Quoted(name_) + " overflows 63 bits", where_));
      }
      entry_.shape.push_back(static_cast<int64_t>(value));
      return entry_.shape.size() <= kMaxTensorRank ||
             Fail(Corrupt("tensor " + Quoted(name_) + " has more than " + std::to_string(kMaxTensorRank) + " axes",
                          where_));
    }
    if (place_ == Place::kOffsets && offsets_.size() < 2) {
      offsets_.push_back(value);
      return true;
    }
    return Misplaced("a number");
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || key_ == "dtype") {
      return Misplaced("an array");
    }
    place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kNames) {
      place_ = Place::kOutside;
      return true;
    }
    const bool is_tensor = place_ == Place::kTensor;
    place_ = Place::kNames;
    return !is_tensor || FinishTensor();
  }

  bool null() override { return Misplaced("null"); }
  bool boolean(bool) override { return Misplaced("a truth value"); }
  bool number_integer(number_integer_t) override { return Misplaced("a negative number"); }
  // Whole numbers beyond 64 bits arrive here too.
  bool number_float(number_float_t, const string_t&) override { return Misplaced("a fraction or a number too large"); }
  bool binary(binary_t&) override { return Misplaced("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const json::exception&) override {
    return Fail(Corrupt("the header is not valid JSON near its byte " + std::to_string(position), where_));
  }

  Result<SafetensorsHeader> Finish(bool parsed) && {
    if (error_.has_value()) {
      return *error_;
    }
    if (!parsed) {
      return Corrupt("the header is not valid JSON", where_);
    }
    return std::move(header_);
  }

 private:
  bool Fail(Error error) {
    error_ = std::move(error);
    return false;
  }

  bool Misplaced(const char* what) {
    std::string text = std::string("the header holds ") + what + " where the format has none";
    switch (place_) {
      case Place::kOutside:
        break;
      case Place::kNames:
        text += ", as the value of " + Quoted(name_);
        break;
      case Place::kMetadata:
        text += ", in the metadata " + Quoted(key_);
        break;
      default:
        text += ", in the " + key_ + " of tensor " + Quoted(name_);
    }
    return Fail(Corrupt(text, where_));
  }

  bool FinishTensor() {
    const std::string tensor = "tensor " + Quoted(name_);
    if (fields_.size() != 3 || offsets_.size() != 2) {
      return Fail(Corrupt(tensor + " lacks one of dtype, shape and data_offsets (two numbers)", where_));
    }
    int64_t bytes = 1;
    // In the order of HostTensor::elements(), so that it cannot overflow either.
    for (const int64_t size : entry_.shape) {
      if (__builtin_mul_overflow(bytes, size, &bytes)) {
        return Fail(Corrupt("the shape of " + tensor + " overflows 63 bits", where_));
      }
    }
    if (__builtin_mul_overflow(bytes, vit::SizeOf(*dtype_), &bytes)) {
      return Fail(Corrupt("the shape of " + tensor + " overflows 63 bits", where_));
    }
    entry_.dtype = *dtype_;
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    if (entry_.begin > entry_.end || entry_.end - entry_.begin != static_cast<uint64_t>(bytes)) {
      return Fail(Corrupt(tensor + " needs " + std::to_string(bytes) + " bytes, but its data_offsets are " +
                              std::to_string(entry_.begin) + " and " + std::to_string(entry_.end),
                          where_));
    }
    header_.entries.push_back(std::move(entry_));
    return true;
  }

  const std::string& where_;
  Place place_ = Place::kOutside;
  std::string name_;
  std::string key_;
  SafetensorsEntry entry_;
  std::optional<vit::DType> dtype_;
  std::vector<uint64_t> offsets_;
  std::set<std::string> fields_;
  std::set<std::string> names_;
  SafetensorsHeader header_;
  std::optional<Error> error_;
};

}  // namespace

Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text, const std::string& where) {
  if (text.empty() || text.front() != '{') {
    return Corrupt("the header does not begin with '{', so this is no safetensors file", where);
  }
  HeaderReader reader(where);
  const bool parsed = json::sax_parse(text.begin(), text.end(), &reader);
  return std::move(reader).Finish(parsed);
}

}  // namespace ptq::data
