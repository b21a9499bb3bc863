// tensor_map.h: named tensors outside LibTorch: what a weight file holds and what a plan saves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ptq::vit {

enum class DType { kF32, kF16, kBF16, kF64, kI64, kI32, kI16, kI8, kU8, kBool };

// Bytes of one element.
int64_t SizeOf(DType dtype);
// safetensors' own names: "F32", "F16", "BF16", "F64", "I64", "I32", "I16", "I8", "U8", "BOOL".
const char* Name(DType dtype);

// A dense row-major tensor, little endian.  Copies share the bytes; nobody writes to them after construction.
struct HostTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;                           // empty: a scalar
  std::shared_ptr<const std::vector<std::byte>> bytes;  // elements() * SizeOf(dtype); never null

  int64_t elements() const;
  std::string ShapeString() const;  // "[192, 3, 16, 16]"
};

HostTensor MakeTensor(const std::vector<float>& values, std::vector<int64_t> shape);
HostTensor MakeTensor(const std::vector<int32_t>& values, std::vector<int64_t> shape);

// The elements as float32; F16 and BF16 are widened exactly, F64 and integers are rounded.
std::vector<float> ToFloats(const HostTensor& tensor);

using TensorMap = std::map<std::string, HostTensor>;

}  // namespace ptq::vit
