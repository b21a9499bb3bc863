#include "data/weights/pickle_globals.h"

#include <array>
#include <utility>

#include "data/weights/byte_source.h"

namespace ptq::data {
namespace {

using Kind = PickleValue::Kind;

constexpr const char* kOrderedDict = "collections.OrderedDict";
constexpr const char* kRebuildTensor = "torch._utils._rebuild_tensor_v2";
constexpr const char* kRebuildParameter = "torch._utils._rebuild_parameter";
constexpr const char* kSize = "torch.Size";

// Values of these stand beside the weights in training checkpoints; their content is not looked at.
constexpr std::array<const char*, 5> kOpaqueGlobals = {
    "argparse.Namespace", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.dtype",
    "_codecs.encode",
};

bool IsOpaque(const std::string& name) {
  for (const char* known : kOpaqueGlobals) {
    if (name == known) {
      return true;
    }
  }
  return false;
}

bool Holds(const PickleValue& tuple, size_t index, Kind kind) {
  return index < tuple.items.size() && tuple.items[index]->kind == kind;
}

// A tuple of integers that are not negative.
std::optional<std::vector<int64_t>> Integers(const PickleValue& tuple) {
  if (tuple.items.size() > kMaxTensorRank) {
    return std::nullopt;
  }
  std::vector<int64_t> values;
  for (const PickleValue* item : tuple.items) {
    if (item->kind != Kind::kInteger || item->integer < 0) {
      return std::nullopt;
    }
    values.push_back(item->integer);
  }
  return values;
}

// (storage, offset, shape, strides, requires_grad, hooks[, metadata])
Result<PickleValue> RebuildTensor(const PickleValue& arguments) {
  if (!Holds(arguments, 0, Kind::kStorage) || !Holds(arguments, 1, Kind::kInteger) ||
      !Holds(arguments, 2, Kind::kTuple) || !Holds(arguments, 3, Kind::kTuple)) {
    return Corrupt("data.pkl rebuilds a tensor from something else than (storage, offset, shape, strides)");
  }
  const auto shape = Integers(*arguments.items[2]);
  const auto strides = Integers(*arguments.items[3]);
  PickleValue* storage = arguments.items[0];
  if (!shape.has_value() || !strides.has_value() || shape->size() != strides->size() ||
      arguments.items[1]->integer < 0) {
    return Corrupt("data.pkl rebuilds a tensor on storage " + Quoted(storage->text) +
                   " with a negative offset, or with a shape and strides that do not fit together");
  }
  PickleValue tensor;
  tensor.kind = Kind::kTensor;
  tensor.items = {storage};
  tensor.integer = arguments.items[1]->integer;
  tensor.dtype = storage->dtype;
  tensor.shape = *shape;
  tensor.strides = *strides;
  return tensor;
}

}  // namespace

std::optional<vit::DType> StorageDType(const std::string& name) {
  using vit::DType;
  constexpr std::array<std::pair<const char*, DType>, 10> kStorages = {{
      {"torch.FloatStorage", DType::kF32},
      {"torch.HalfStorage", DType::kF16},
      {"torch.BFloat16Storage", DType::kBF16},
      {"torch.DoubleStorage", DType::kF64},
      {"torch.LongStorage", DType::kI64},
      {"torch.IntStorage", DType::kI32},
      {"torch.ShortStorage", DType::kI16},
      {"torch.CharStorage", DType::kI8},
      {"torch.ByteStorage", DType::kU8},
      {"torch.BoolStorage", DType::kBool},
  }};
  for (const auto& [storage, dtype] : kStorages) {
    if (name == storage) {
      return dtype;
    }
  }
  return std::nullopt;
}

bool IsKnownGlobal(const std::string& name) {
  return name == kOrderedDict || name == kRebuildTensor || name == kRebuildParameter || name == kSize ||
         IsOpaque(name) || StorageDType(name).has_value();
}

PickleValue* PassedThrough(const PickleValue& global, const PickleValue& arguments) {
  const bool passes = global.kind == Kind::kGlobal && arguments.kind == Kind::kTuple &&
                      ((global.text == kSize && arguments.items.size() == 1 && Holds(arguments, 0, Kind::kTuple)) ||
                       (global.text == kRebuildParameter && Holds(arguments, 0, Kind::kTensor)));
  return passes ? arguments.items[0] : nullptr;
}

Result<PickleValue> CallGlobal(const PickleValue& global, const PickleValue& arguments) {
  if (global.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) {
    return Corrupt(std::string("data.pkl calls ") + Name(global.kind) + " with " + Name(arguments.kind));
  }
  PickleValue value;
  if (IsOpaque(global.text)) {
    value.kind = Kind::kOpaque;
    value.text = global.text;
    return value;
  }
  if (global.text == kOrderedDict && arguments.items.empty()) {
    value.kind = Kind::kDictionary;
    return value;
  }
  if (global.text == kRebuildTensor) {
    return RebuildTensor(arguments);
  }
  return Corrupt("data.pkl calls " + Quoted(global.text) + " with arguments that it does not take");
}

Result<PickleValue> StorageOf(const PickleValue& id) {
  if (id.kind != Kind::kTuple || id.items.size() != 5 || !Holds(id, 0, Kind::kString) ||
      id.items[0]->text != "storage" || !Holds(id, 1, Kind::kGlobal) || !Holds(id, 2, Kind::kString) ||
      !Holds(id, 4, Kind::kInteger) || id.items[4]->integer < 0) {
    return Corrupt("data.pkl holds a persistent id that is no storage");
  }
  constexpr size_t kLongestKey = 64;
  if (id.items[2]->text.size() > kLongestKey) {
    return Corrupt("data.pkl names the storage " + Quoted(id.items[2]->text) + "; torch.save numbers them");
  }
  const auto dtype = StorageDType(id.items[1]->text);
  if (!dtype.has_value()) {
    return Corrupt("data.pkl names " + Quoted(id.items[1]->text) + " as the type of a storage");
  }
  PickleValue storage;
  storage.kind = Kind::kStorage;
  storage.text = id.items[2]->text;
  storage.integer = id.items[4]->integer;
  storage.dtype = *dtype;
  return storage;
}

}  // namespace ptq::data
