#include "data/weights/pth.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "data/weights/byte_source.h"
#include "data/weights/pickle.h"
#include "data/weights/stored_zip.h"

namespace ptq::data {
namespace {

using Kind = PickleValue::Kind;
using Bytes = std::vector<std::byte>;

// Storages read plus tensors made, as a multiple of the file: views that repeat a storage (stride 0, many names) cannot
// make a small file large in memory.
constexpr uint64_t kMaxBytesPerFileByte = 64;
constexpr uint64_t kMaxOutputBytes = uint64_t{1} << 35;

struct NamedTensor {
  std::string name;
  const PickleValue* value;
};

std::string AsText(const Bytes& bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// "archive/": the folder that holds data.pkl.
Result<std::string> FindRoot(const StoredZip& archive, const std::string& where) {
  const std::string pickle_name = "data.pkl";
  std::vector<std::string> roots;
  for (const std::string& name : archive.Names()) {
    const size_t slash = name.find('/');
    if (slash != std::string::npos && name.substr(slash + 1) == pickle_name) {
      roots.push_back(name.substr(0, slash + 1));
    }
  }
  if (roots.size() != 1) {
    return Unsupported("the zip archive has " + std::to_string(roots.size()) +
                           " entries '*/data.pkl', torch.save writes one; save model.state_dict() with torch.save",
                       where);
  }
  return roots.front();
}

Status CheckByteOrder(const StoredZip& archive, const std::string& root, const std::string& where) {
  const std::string name = root + "byteorder";
  if (!archive.Has(name)) {
    return OkStatus();
  }
  PTQ_ASSIGN_OR_RETURN(const Bytes order, archive.Read(name));
  if (AsText(order) != "little") {
    return Unsupported("the byte order of the file is " + Quoted(AsText(order)) + "; supported is 'little'", where);
  }
  return OkStatus();
}

// The dictionary with the tensors: the root, or what it holds under one of the usual keys.
Result<const PickleValue*> FindStateDict(const PickleValue& root, const std::string& where) {
  if (root.kind != Kind::kDictionary) {
    return Unsupported(std::string("the file holds ") + Name(root.kind) +
                           ", not a state dict; save model.state_dict() with torch.save",
                       where);
  }
  for (size_t i = 1; i < root.items.size(); i += 2) {
    if (root.items[i]->kind == Kind::kTensor) {
      return &root;
    }
  }
  for (const char* key : {"model", "state_dict", "model_state_dict", "model_ema"}) {
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      if (root.items[i]->kind == Kind::kString && root.items[i]->text == key &&
          root.items[i + 1]->kind == Kind::kDictionary) {
        return root.items[i + 1];
      }
    }
  }
  return Unsupported(
      "the file holds no tensors at its top nor under 'model', 'state_dict', 'model_state_dict' or 'model_ema'; save "
      "model.state_dict() with torch.save",
      where);
}

// The dictionary's tensors by the key of their storage.
Result<std::map<std::string, std::vector<NamedTensor>>> GroupByStorage(const PickleValue& state,
                                                                       const std::string& where) {
  std::map<std::string, std::vector<NamedTensor>> groups;
  std::map<std::string, bool> seen;
  for (size_t i = 0; i + 1 < state.items.size(); i += 2) {
    const PickleValue& key = *state.items[i];
    const PickleValue& value = *state.items[i + 1];
    if (value.kind != Kind::kTensor) {
      continue;
    }
    if (key.kind != Kind::kString) {
      return Corrupt(std::string("a tensor of the state dict has ") + Name(key.kind) + " as its name", where);
    }
    if (!seen.emplace(key.text, true).second) {
      return Corrupt("the tensor name " + Quoted(key.text) + " occurs twice", where);
    }
    groups[value.items[0]->text].push_back({key.text, &value});
  }
  if (groups.empty()) {
    return Unsupported("the state dict holds no tensors; save model.state_dict() with torch.save", where);
  }
  return groups;
}

// The tensor's size in bytes, once its shape, strides and offset are known to stay inside the storage.
Result<uint64_t> CheckRange(const NamedTensor& tensor, const std::string& where) {
  const PickleValue& value = *tensor.value;
  int64_t bytes = vit::SizeOf(value.dtype);
  int64_t last = value.integer;
  bool overflows = false;
  bool empty = false;
  for (size_t axis = 0; axis < value.shape.size(); ++axis) {
    const int64_t size = value.shape[axis];
    overflows = overflows || __builtin_mul_overflow(bytes, size, &bytes);
    empty = empty || size == 0;
    int64_t reach = 0;
    if (size > 0) {
      overflows = overflows || __builtin_mul_overflow(size - 1, value.strides[axis], &reach) ||
                  __builtin_add_overflow(last, reach, &last);
    }
  }
  const int64_t stored = value.items[0]->integer;
  if (overflows || (!empty && last >= stored)) {
    const vit::HostTensor shape{value.dtype, value.shape, nullptr};
    return Corrupt("tensor " + Quoted(tensor.name) + " " + shape.ShapeString() + " reaches beyond the " +
                       std::to_string(stored) + " elements of its storage " + Quoted(value.items[0]->text),
                   where);
  }
  return static_cast<uint64_t>(bytes);
}

// The tensor is not empty, so that no product of its sizes overflows.
bool IsContiguous(const PickleValue& tensor) {
  int64_t expected = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) {
      return false;
    }
    expected *= tensor.shape[axis];
  }
  return true;
}

// The elements in row-major order.  The range was checked.
void CopyStrided(const PickleValue& tensor, const Bytes& storage, Bytes* out) {
  const auto width = static_cast<size_t>(vit::SizeOf(tensor.dtype));
  const size_t rank = tensor.shape.size();
  std::vector<int64_t> index(rank, 0);
  int64_t from = tensor.integer;
  for (size_t to = 0; to < out->size(); to += width) {
    std::memcpy(out->data() + to, storage.data() + static_cast<size_t>(from) * width, width);
    for (size_t axis = rank; axis-- > 0;) {
      if (index[axis] + 1 < tensor.shape[axis]) {
        ++index[axis];
        from += tensor.strides[axis];
        break;
      }
      from -= tensor.strides[axis] * index[axis];
      index[axis] = 0;
    }
  }
}

class TensorReader {
 public:
  TensorReader(const StoredZip& archive, std::string root, const std::string& where)
      : archive_(archive),
        root_(std::move(root)),
        where_(where),
        left_(std::min(kMaxOutputBytes, archive.size() * kMaxBytesPerFileByte)) {}

  // All tensors on one storage.
  Status Read(const std::vector<NamedTensor>& group, vit::TensorMap* tensors) {
    std::vector<uint64_t> sizes;
    for (const NamedTensor& tensor : group) {
      PTQ_ASSIGN_OR_RETURN(const uint64_t bytes, CheckRange(tensor, where_));
      PTQ_RETURN_IF_ERROR(Spend(bytes));
      sizes.push_back(bytes);
    }
    PTQ_ASSIGN_OR_RETURN(const std::shared_ptr<const Bytes> storage, ReadStorage(group));
    for (size_t i = 0; i < group.size(); ++i) {
      const PickleValue& value = *group[i].value;
      std::shared_ptr<const Bytes> bytes = storage;
      const bool whole = value.integer == 0 && sizes[i] == storage->size() && (sizes[i] == 0 || IsContiguous(value));
      if (!whole) {
        auto allocated = AllocateBytes(sizes[i], "tensor " + Quoted(group[i].name));
        if (!allocated.ok()) {
          return IoError(allocated.error().message, where_);
        }
        auto copy = std::make_shared<Bytes>(std::move(allocated).value());
        CopyStrided(value, *storage, copy.get());
        bytes = std::move(copy);
      }
      tensors->emplace(group[i].name, vit::HostTensor{value.dtype, value.shape, std::move(bytes)});
    }
    return OkStatus();
  }

 private:
  Status Spend(uint64_t bytes) {
    if (bytes > left_) {
      return Unsupported("the tensors need more than " + std::to_string(kMaxBytesPerFileByte) +
                             " times the bytes of the file, or more than 32 GiB; save contiguous tensors",
                         where_);
    }
    left_ -= bytes;
    return OkStatus();
  }

  // Every mention of the storage agrees with its entry.
  Result<std::shared_ptr<const Bytes>> ReadStorage(const std::vector<NamedTensor>& group) {
    const std::string entry = root_ + "data/" + group.front().value->items[0]->text;
    PTQ_ASSIGN_OR_RETURN(const uint64_t stored, archive_.SizeOf(entry));
    PTQ_RETURN_IF_ERROR(Spend(stored));
    for (const NamedTensor& tensor : group) {
      const PickleValue& storage = *tensor.value->items[0];
      int64_t claimed = 0;
      if (__builtin_mul_overflow(storage.integer, vit::SizeOf(storage.dtype), &claimed) ||
          static_cast<uint64_t>(claimed) != stored) {
        return Corrupt("tensor " + Quoted(tensor.name) + " lies in a storage of " + std::to_string(storage.integer) +
                           " elements of " + vit::Name(storage.dtype) + ", but entry " + Quoted(entry) + " has " +
                           std::to_string(stored) + " bytes",
                       where_);
      }
    }
    PTQ_ASSIGN_OR_RETURN(Bytes bytes, archive_.Read(entry));
    return std::shared_ptr<const Bytes>(std::make_shared<Bytes>(std::move(bytes)));
  }

  const StoredZip& archive_;
  std::string root_;
  const std::string& where_;
  uint64_t left_;
};

Result<vit::TensorMap> ReadArchive(const StoredZip& archive, const std::string& where) {
  PTQ_ASSIGN_OR_RETURN(const std::string root, FindRoot(archive, where));
  PTQ_RETURN_IF_ERROR(CheckByteOrder(archive, root, where));
  PTQ_ASSIGN_OR_RETURN(const uint64_t pickle_bytes, archive.SizeOf(root + "data.pkl"));
  if (pickle_bytes > kMaxPickleBytes) {
    return Unsupported("data.pkl holds " + std::to_string(pickle_bytes) + " bytes, more than the accepted " +
                           std::to_string(kMaxPickleBytes) + "; save model.state_dict() alone",
                       where);
  }
  PTQ_ASSIGN_OR_RETURN(const Bytes text, archive.Read(root + "data.pkl"));
  PTQ_ASSIGN_OR_RETURN(const Pickle pickle,
                       ReadPickle({reinterpret_cast<const char*>(text.data()), text.size()}, where));
  PTQ_ASSIGN_OR_RETURN(const PickleValue* state, FindStateDict(*pickle.root, where));
  PTQ_ASSIGN_OR_RETURN(const auto groups, GroupByStorage(*state, where));
  TensorReader reader(archive, root, where);
  vit::TensorMap tensors;
  for (const auto& [key, group] : groups) {
    PTQ_RETURN_IF_ERROR(reader.Read(group, &tensors));
  }
  return tensors;
}

// Tells a zip archive from what torch.save wrote before 1.6 and from everything else.
Status CheckMagic(const ByteSource& source, const std::string& where) {
  std::byte magic[4] = {};
  PTQ_RETURN_IF_ERROR(source.Read(0, magic, std::min<uint64_t>(source.size(), sizeof(magic))));
  if (std::memcmp(magic, "PK\x03\x04", sizeof(magic)) == 0) {
    return OkStatus();
  }
  if (magic[0] == std::byte{0x80}) {
    return Unsupported(
        "the file is a bare pickle, as torch.save wrote before PyTorch 1.6; load and save it once with a newer "
        "PyTorch, or convert it to safetensors",
        where);
  }
  return Corrupt("the file is no PyTorch checkpoint: it begins neither as a zip archive nor as a pickle", where);
}

}  // namespace

Result<vit::TensorMap> ReadPth(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenFileSource(path));
  PTQ_RETURN_IF_ERROR(CheckMagic(*source, path));
  PTQ_ASSIGN_OR_RETURN(const StoredZip archive, StoredZip::OpenFile(path));
  return ReadArchive(archive, path);
}

Result<vit::TensorMap> ParsePth(const std::byte* bytes, size_t size, const std::string& where) {
  PTQ_RETURN_IF_ERROR(CheckMagic(*MemorySource(bytes, size), where));
  PTQ_ASSIGN_OR_RETURN(const StoredZip archive, StoredZip::OpenMemory(bytes, size, where));
  return ReadArchive(archive, where);
}

}  // namespace ptq::data
