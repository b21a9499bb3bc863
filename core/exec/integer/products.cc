#include "core/exec/integer/products.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <dnnl.hpp>

#include "core/base/check.h"
#include "core/exec/integer/exact_product.h"

namespace ptq::exec {
namespace {

using DataType = dnnl::memory::data_type;
using Dims = dnnl::memory::dims;

// oneDNN asks for the number of threads when a primitive is made and when it runs.
class OmpThreads {
 public:
  explicit OmpThreads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~OmpThreads() { omp_set_num_threads(before_); }

 private:
  const int before_;
};

const dnnl::engine& Engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// A CPU stream only passes calls on.
const dnnl::stream& Stream() {
  static thread_local const dnnl::stream stream(Engine());
  return stream;
}

const char* TypeName(DataType type) {
  switch (type) {
    case DataType::u8:
      return "u8";
    case DataType::s8:
      return "s8";
    case DataType::s32:
      return "s32";
    default:
      return "f32";
  }
}

std::string KernelName(const dnnl::matmul::primitive_desc& primitive) {
  return std::string(primitive.impl_info_str()) + " " + TypeName(primitive.src_desc().data_type()) +
         TypeName(primitive.weights_desc().data_type()) + TypeName(primitive.dst_desc().data_type());
}

// A primitive with its arguments.  oneDNN's own call makes no copies of tensors.
BoundProduct Call(const dnnl::matmul& primitive, std::unordered_map<int, dnnl::memory> arguments) {
  auto list = std::make_shared<std::vector<dnnl_exec_arg_t>>();
  auto kept = std::make_shared<std::unordered_map<int, dnnl::memory>>(std::move(arguments));
  for (const auto& [index, memory] : *kept) {
    list->push_back({index, memory.get()});
  }
  return [primitive, list, kept] {
    const dnnl_status_t status =
        dnnl_primitive_execute(primitive.get(), Stream().get(), static_cast<int>(list->size()), list->data());
    PTQ_CHECK(status == dnnl_success) << "oneDNN: " << status;
  };
}

dnnl::memory View(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, Engine(), const_cast<void*>(data));
}

struct LinearDescription {
  int64_t rows, inner, columns;
  DataType left, weight, out;
  LinearOutput output;
  std::vector<float> scale, bias;
  float low = 0, high = 0;
};

class OneDnnLinear final : public Linear {
 public:
  OneDnnLinear(const LinearDescription& d, const void* weight, int threads) {
    const OmpThreads scope(threads);
    const dnnl::memory::desc left({d.rows, d.inner}, d.left, dnnl::memory::format_tag::ab);
    const dnnl::memory::desc any({d.inner, d.columns}, d.weight, dnnl::memory::format_tag::any);
    const dnnl::memory::desc given({d.inner, d.columns}, d.weight, dnnl::memory::format_tag::ba);
    const dnnl::memory::desc out({d.rows, d.columns}, d.out, dnnl::memory::format_tag::ab);
    const dnnl::memory::desc bias({1, d.columns}, DataType::f32, dnnl::memory::format_tag::ab);
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (!d.scale.empty()) {
      attributes.set_output_scales(1 << 1, d.scale);
    }
    dnnl::post_ops after;
    if (d.output == LinearOutput::kFloatAdded) {
      after.append_sum(1.0F);
    }
    if (d.output == LinearOutput::kSigned && (d.low > -128 || d.high < 127)) {
      after.append_eltwise(1.0F, dnnl::algorithm::eltwise_clip, d.low, d.high);
    }
    attributes.set_post_ops(after);
    description_ = dnnl::matmul::primitive_desc(dnnl::matmul::desc(left, any, bias, out), attributes, Engine());
    primitive_ = dnnl::matmul(description_);
    weight_ = dnnl::memory(description_.weights_desc(), Engine());
    dnnl::memory plain = View(given, weight);
    dnnl::stream stream(Engine());
    dnnl::reorder(plain, weight_).execute(stream, plain, weight_);
    stream.wait();
    bias_ = dnnl::memory(bias, Engine());
    std::memcpy(bias_.get_data_handle(), d.bias.data(), d.bias.size() * sizeof(float));
  }

  BoundProduct Bind(const void* left, void* out, void* scratch) const override {
    return Call(primitive_, {{DNNL_ARG_SRC, View(description_.src_desc(), left)},
                             {DNNL_ARG_WEIGHTS, weight_},
                             {DNNL_ARG_BIAS, bias_},
                             {DNNL_ARG_DST, View(description_.dst_desc(), out)},
                             {DNNL_ARG_SCRATCHPAD, View(description_.scratchpad_desc(), scratch)}});
  }
  size_t scratch_bytes() const override { return description_.scratchpad_desc().get_size(); }
  std::string kernel() const override { return KernelName(description_); }

 private:
  dnnl::matmul::primitive_desc description_;
  dnnl::matmul primitive_;
  dnnl::memory weight_, bias_;
};

// Whole rows of a product on the project's own kernels.
class ExactLinear final : public Linear {
 public:
  ExactLinear(const IntegerLinear& linear, InstructionSet set, int threads)
      : linear_(linear), set_(set), threads_(threads) {
    right_.resize(PairCodes::Size(linear.inner, linear.columns));
    PackPairs(linear.weight.data(), 1, linear.inner, linear.inner, linear.columns, right_.data());
    linear_.weight.clear();
  }

  BoundProduct Bind(const void* left, void* out, void* scratch) const override {
    return [this, left, out, scratch] {
      const int parts = static_cast<int>(std::min<int64_t>(threads_, linear_.rows));
      if (parts == 1) {
        RunRows(left, out, scratch, 0, linear_.rows);
        return;
      }
#pragma omp parallel for num_threads(parts) schedule(static)
      for (int part = 0; part < parts; ++part) {
        RunRows(left, out, scratch, linear_.rows * part / parts, linear_.rows * (part + 1) / parts);
      }
    };
  }
  size_t scratch_bytes() const override {
    return static_cast<size_t>(linear_.rows) * (Width() * sizeof(int16_t) + linear_.columns * sizeof(int32_t)) + 64;
  }
  std::string kernel() const override {
    const bool wide = set_ != InstructionSet::kScalar;
    return std::string(wide ? "exact:avx2" : "exact:scalar") +
           (linear_.output == LinearOutput::kSigned ? " u8s8s8" : " u8s8f32");
  }

 private:
  int64_t Width() const { return (linear_.inner + 1) / 2 * 2; }

  void RunRows(const void* left, void* out, void* scratch, int64_t begin, int64_t end) const {
    auto* sums = static_cast<int32_t*>(scratch) + begin * linear_.columns;
    auto* widened =
        reinterpret_cast<int16_t*>(static_cast<int32_t*>(scratch) + linear_.rows * linear_.columns) + begin * Width();
    WidenRows(static_cast<const uint8_t*>(left) + begin * linear_.inner, linear_.inner, end - begin, linear_.inner,
              widened);
    MultiplyPairs(set_, widened, right_.data(), end - begin, linear_.inner, linear_.columns, sums, linear_.columns);
    for (int64_t i = begin; i < end; ++i, sums += linear_.columns) {
      Finish(sums, out, i * linear_.columns);
    }
  }

  // One row: out begins with its element `first`.
  void Finish(const int32_t* sums, void* out, int64_t first) const {
    const float* scale = linear_.scale.data();
    const float* bias = linear_.bias.data();
    const auto y = [&](int64_t j) { return (static_cast<float>(sums[j]) + bias[j]) * scale[j]; };
    auto* codes = static_cast<int8_t*>(out) + first;
    auto* floats = static_cast<float*>(out) + first;
    switch (linear_.output) {
      case LinearOutput::kSigned:
        for (int64_t j = 0; j < linear_.columns; ++j) {
          codes[j] = static_cast<int8_t>(std::nearbyint(std::min(std::max(y(j), linear_.low), linear_.high)));
        }
        return;
      case LinearOutput::kFloatAdded:
        for (int64_t j = 0; j < linear_.columns; ++j) {
          floats[j] += y(j);
        }
        return;
      case LinearOutput::kFloat:
        for (int64_t j = 0; j < linear_.columns; ++j) {
          floats[j] = y(j);
        }
    }
  }

  IntegerLinear linear_;
  const InstructionSet set_;
  const int threads_;
  std::vector<int16_t> right_;
};

class OneDnnAttention final : public Attention {
 public:
  explicit OneDnnAttention(const HeadProduct& p) {
    const OmpThreads scope(1);
    const bool codes = p.types != HeadProduct::Types::kFloat;
    const DataType left_type = !codes                                          ? DataType::f32
                               : p.types == HeadProduct::Types::kUnsignedCodes ? DataType::u8
                                                                               : DataType::s8;
    const dnnl::memory::desc left({p.rows, p.inner}, left_type, Dims{p.left_stride, 1});
    const dnnl::memory::desc right({p.inner, p.columns}, codes ? DataType::s8 : DataType::f32,
                                   Dims{p.right_inner_stride, p.right_column_stride});
    const dnnl::memory::desc out({p.rows, p.columns}, codes ? DataType::s32 : DataType::f32, Dims{p.out_stride, 1});
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    description_ = dnnl::matmul::primitive_desc(dnnl::matmul::desc(left, right, out), attributes, Engine());
    primitive_ = dnnl::matmul(description_);
  }
  BoundProduct Bind(const void* left, const void* right, void* out, void* scratch) const override {
    return Call(primitive_, {{DNNL_ARG_SRC, View(description_.src_desc(), left)},
                             {DNNL_ARG_WEIGHTS, View(description_.weights_desc(), right)},
                             {DNNL_ARG_DST, View(description_.dst_desc(), out)},
                             {DNNL_ARG_SCRATCHPAD, View(description_.scratchpad_desc(), scratch)}});
  }
  size_t scratch_bytes() const override { return description_.scratchpad_desc().get_size(); }
  std::string kernel() const override { return KernelName(description_); }

 private:
  dnnl::matmul::primitive_desc description_;
  dnnl::matmul primitive_;
};

class ExactAttention final : public Attention {
 public:
  ExactAttention(const HeadProduct& product, InstructionSet set) : p_(product), set_(set) {}

  BoundProduct Bind(const void* left, const void* right, void* out, void* scratch) const override {
    return [this, left, right, out, scratch] {
      auto* packed = static_cast<int16_t*>(scratch);
      int16_t* widened = packed + PairCodes::Size(p_.inner, p_.columns);
      PackPairs(static_cast<const int8_t*>(right), p_.right_inner_stride, p_.right_column_stride, p_.inner, p_.columns,
                packed);
      if (p_.types == HeadProduct::Types::kUnsignedCodes) {
        WidenRows(static_cast<const uint8_t*>(left), p_.left_stride, p_.rows, p_.inner, widened);
      } else {
        WidenRows(static_cast<const int8_t*>(left), p_.left_stride, p_.rows, p_.inner, widened);
      }
      MultiplyPairs(set_, widened, packed, p_.rows, p_.inner, p_.columns, static_cast<int32_t*>(out), p_.out_stride);
    };
  }
  size_t scratch_bytes() const override {
    return (PairCodes::Size(p_.inner, p_.columns) + static_cast<size_t>(p_.rows * ((p_.inner + 1) / 2 * 2))) *
           sizeof(int16_t);
  }
  std::string kernel() const override {
    return std::string(set_ == InstructionSet::kScalar ? "exact:scalar " : "exact:avx2 ") +
           (p_.types == HeadProduct::Types::kUnsignedCodes ? "u8s8s32" : "s8s8s32");
  }

 private:
  const HeadProduct p_;
  const InstructionSet set_;
};

}  // namespace

std::unique_ptr<Linear> MakeLinear(const IntegerLinear& linear, InstructionSet set, int threads) {
  if (set != InstructionSet::kAvx512Vnni) {
    return std::make_unique<ExactLinear>(linear, set, threads);
  }
  const DataType out = linear.output == LinearOutput::kSigned ? DataType::s8 : DataType::f32;
  return std::make_unique<OneDnnLinear>(
      LinearDescription{linear.rows, linear.inner, linear.columns, DataType::u8, DataType::s8, out, linear.output,
                        linear.scale, linear.bias, linear.low, linear.high},
      linear.weight.data(), threads);
}

std::unique_ptr<Linear> MakeLinear(const FloatLinear& linear, int threads) {
  PTQ_CHECK(linear.output != LinearOutput::kSigned);
  return std::make_unique<OneDnnLinear>(LinearDescription{linear.rows,
                                                          linear.inner,
                                                          linear.columns,
                                                          DataType::f32,
                                                          DataType::f32,
                                                          DataType::f32,
                                                          linear.output,
                                                          {},
                                                          linear.bias},
                                        linear.weight.data(), threads);
}

std::unique_ptr<Attention> MakeAttention(const HeadProduct& product, InstructionSet set) {
  if (product.types == HeadProduct::Types::kFloat || set == InstructionSet::kAvx512Vnni) {
    return std::make_unique<OneDnnAttention>(product);
  }
  return std::make_unique<ExactAttention>(product, set);
}

}  // namespace ptq::exec
