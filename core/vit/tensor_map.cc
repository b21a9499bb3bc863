#include "core/vit/tensor_map.h"

#include <cstring>

#include "core/base/check.h"

namespace ptq::vit {
namespace {

template <typename T>
HostTensor Make(DType dtype, const std::vector<T>& values, std::vector<int64_t> shape) {
  auto bytes = std::make_shared<std::vector<std::byte>>(values.size() * sizeof(T));
  if (!values.empty()) {
    std::memcpy(bytes->data(), values.data(), bytes->size());
  }
  HostTensor tensor{dtype, std::move(shape), std::move(bytes)};
  PTQ_CHECK(tensor.elements() == static_cast<int64_t>(values.size())) << tensor.ShapeString();
  return tensor;
}

template <typename T>
std::vector<float> Convert(const HostTensor& tensor) {
  std::vector<T> values(tensor.elements());
  if (!values.empty()) {
    std::memcpy(values.data(), tensor.bytes->data(), values.size() * sizeof(T));
  }
  return std::vector<float>(values.begin(), values.end());
}

float FromBits(uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

float WidenBF16(uint16_t bits) { return FromBits(static_cast<uint32_t>(bits) << 16); }

float WidenF16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1.0p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) {
    return FromBits(sign | 0x7f800000 | (mantissa << 13));
  }
  return FromBits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

std::vector<float> Widen(const HostTensor& tensor, float (*widen)(uint16_t)) {
  std::vector<uint16_t> bits(tensor.elements());
  if (!bits.empty()) {
    std::memcpy(bits.data(), tensor.bytes->data(), bits.size() * sizeof(uint16_t));
  }
  std::vector<float> values(bits.size());
  for (size_t i = 0; i < bits.size(); ++i) {
    values[i] = widen(bits[i]);
  }
  return values;
}

}  // namespace

int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

const char* Name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "F32";
    case DType::kF16:
      return "F16";
    case DType::kBF16:
      return "BF16";
    case DType::kF64:
      return "F64";
    case DType::kI64:
      return "I64";
    case DType::kI32:
      return "I32";
    case DType::kI16:
      return "I16";
    case DType::kI8:
      return "I8";
    case DType::kU8:
      return "U8";
    case DType::kBool:
      return "BOOL";
  }
  return "?";
}

int64_t HostTensor::elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) {
    count *= size;
  }
  return count;
}

std::string HostTensor::ShapeString() const {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

HostTensor MakeTensor(const std::vector<float>& values, std::vector<int64_t> shape) {
  return Make(DType::kF32, values, std::move(shape));
}

HostTensor MakeTensor(const std::vector<int32_t>& values, std::vector<int64_t> shape) {
  return Make(DType::kI32, values, std::move(shape));
}

std::vector<float> ToFloats(const HostTensor& tensor) {
  switch (tensor.dtype) {
    case DType::kF32:
      return Convert<float>(tensor);
    case DType::kF64:
      return Convert<double>(tensor);
    case DType::kF16:
      return Widen(tensor, WidenF16);
    case DType::kBF16:
      return Widen(tensor, WidenBF16);
    case DType::kI64:
      return Convert<int64_t>(tensor);
    case DType::kI32:
      return Convert<int32_t>(tensor);
    case DType::kI16:
      return Convert<int16_t>(tensor);
    case DType::kI8:
      return Convert<int8_t>(tensor);
    case DType::kU8:
    case DType::kBool:
      return Convert<uint8_t>(tensor);
  }
  return {};
}

}  // namespace ptq::vit
