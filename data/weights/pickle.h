// pickle.h: reads the pickle of a PyTorch state dict as inert data.
//
// Nothing is imported and nothing is called: a global is a name that this reader knows or the end of the reading.
// Known are torch's typed storages, torch.Size, torch._utils._rebuild_tensor_v2 and _rebuild_parameter and
// collections.OrderedDict; argparse.Namespace and numpy's scalars, which training checkpoints hold beside the weights,
// become kOpaque values without content.  Protocols 2 to 5.  Bytes, values and references to them are bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/vit/tensor_map.h"

namespace ptq::data {

constexpr size_t kMaxPickleBytes = size_t{1} << 24;
constexpr size_t kMaxPickleValues = size_t{1} << 19;

struct PickleValue {
  enum class Kind {
    kNone,
    kBool,
    kInteger,
    kFloat,
    kString,
    kTuple,
    kList,
    kDictionary,
    kGlobal,   // text is "module.name", one of the known
    kStorage,  // text is its key in the archive, integer its number of elements, dtype
    kTensor,   // items is {storage}, integer the offset in elements, shape, strides
    kOpaque,   // text is the class
  };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<PickleValue*> items;  // of a dictionary: key, value, key, value, ...
  vit::DType dtype = vit::DType::kF32;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// "a dictionary", "an integer", ...
const char* Name(PickleValue::Kind kind);

// The values of one pickle.  Containers may contain themselves: walk them to a fixed depth only.
struct Pickle {
  std::deque<PickleValue> values;
  const PickleValue* root = nullptr;
};

// Errors: Corrupt, Unsupported (a foreign global by its name, an opcode that torch.save does not write).
Result<Pickle> ReadPickle(std::string_view bytes, const std::string& where);

}  // namespace ptq::data
