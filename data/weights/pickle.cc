#include "data/weights/pickle.h"

#include <cstdio>
#include <unordered_map>
#include <utility>

#include "data/weights/byte_source.h"
#include "data/weights/pickle_bytes.h"
#include "data/weights/pickle_globals.h"

namespace ptq::data {
namespace {

using Kind = PickleValue::Kind;

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNoneOp = 'N',
  kBinPersId = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobalOp = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTupleOp = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kBinFloat = 'G',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

class Machine {
 public:
  explicit Machine(std::string_view bytes) : bytes_(bytes) {}

  Result<Pickle> Run() && {
    while (true) {
      PTQ_ASSIGN_OR_RETURN(const uint64_t opcode, bytes_.TakeUnsigned(1));
      if (opcode == kStop) {
        PTQ_ASSIGN_OR_RETURN(pickle_.root, Pop());
        return std::move(pickle_);
      }
      PTQ_RETURN_IF_ERROR(Execute(static_cast<uint8_t>(opcode)));
    }
  }

 private:
  Status Execute(uint8_t opcode) {
    switch (opcode) {
      case kProto:
      case kFrame:
        return Framing(opcode);
      case kNoneOp:
      case kNewTrue:
      case kNewFalse:
      case kBinInt:
      case kBinInt1:
      case kBinInt2:
      case kLong1:
      case kBinFloat:
        return PushNumber(opcode);
      case kBinUnicode:
      case kShortBinUnicode:
      case kBinUnicode8:
      case kBinBytes:
      case kShortBinBytes:
        return PushText(opcode);
      case kMark:
        marks_.push_back(stack_.size());
        return OkStatus();
      case kEmptyDict:
      case kEmptyList:
      case kEmptyTuple:
      case kTupleOp:
      case kTuple1:
      case kTuple2:
      case kTuple3:
        return PushContainer(opcode);
      case kAppend:
      case kAppends:
      case kSetItem:
      case kSetItems:
        return Extend(opcode);
      case kBinPut:
      case kLongBinPut:
      case kMemoize:
      case kBinGet:
      case kLongBinGet:
        return Memo(opcode);
      case kGlobalOp:
      case kStackGlobal:
        return PushGlobal(opcode);
      case kReduce:
      case kNewObj:
      case kBinPersId:
      case kBuild:
        return Call(opcode);
      default: {
        char text[8];
        std::snprintf(text, sizeof(text), "0x%02x", opcode);
        return Unsupported(std::string("data.pkl uses the pickle opcode ") + text +
                           ", which a state dict does not need; save model.state_dict() with torch.save");
      }
    }
  }

  Status Framing(uint8_t opcode) {
    if (opcode == kFrame) {
      PTQ_RETURN_IF_ERROR(bytes_.Take(8));
      return OkStatus();
    }
    PTQ_ASSIGN_OR_RETURN(const uint64_t version, bytes_.TakeUnsigned(1));
    if (version < 2 || version > 5) {
      return Unsupported("data.pkl is pickle protocol " + std::to_string(version) + "; supported are 2 to 5");
    }
    return OkStatus();
  }

  Status PushNumber(uint8_t opcode) {
    PickleValue value;
    value.kind = opcode == kNoneOp                           ? Kind::kNone
                 : opcode == kNewTrue || opcode == kNewFalse ? Kind::kBool
                 : opcode == kBinFloat                       ? Kind::kFloat
                                                             : Kind::kInteger;
    uint64_t bits = 0;
    switch (opcode) {
      case kBinInt: {
        PTQ_ASSIGN_OR_RETURN(bits, bytes_.TakeUnsigned(4));
        value.integer = static_cast<int32_t>(static_cast<uint32_t>(bits));
        break;
      }
      case kBinInt1:
      case kBinInt2: {
        PTQ_ASSIGN_OR_RETURN(bits, bytes_.TakeUnsigned(opcode == kBinInt1 ? 1 : 2));
        value.integer = static_cast<int64_t>(bits);
        break;
      }
      case kLong1: {
        PTQ_ASSIGN_OR_RETURN(value.integer, bytes_.TakeLong());
        break;
      }
      case kBinFloat: {
        PTQ_ASSIGN_OR_RETURN(value.number, bytes_.TakeDouble());
        break;
      }
      default:
        value.integer = opcode == kNewTrue ? 1 : 0;
    }
    return Push(std::move(value));
  }

  Status PushText(uint8_t opcode) {
    const bool is_short = opcode == kShortBinUnicode || opcode == kShortBinBytes;
    PTQ_ASSIGN_OR_RETURN(const uint64_t length, bytes_.TakeUnsigned(is_short ? 1 : opcode == kBinUnicode8 ? 8 : 4));
    PTQ_ASSIGN_OR_RETURN(const std::string_view text, bytes_.Take(length));
    PickleValue value;
    if (opcode == kBinBytes || opcode == kShortBinBytes) {
      value.kind = Kind::kOpaque;
      value.text = "bytes";
      return Push(std::move(value));
    }
    if (!IsUtf8(text)) {
      return Corrupt("data.pkl holds the string " + Quoted(std::string(text)) + ", which is not UTF-8");
    }
    value.kind = Kind::kString;
    value.text = text;
    return Push(std::move(value));
  }

  Status PushContainer(uint8_t opcode) {
    PickleValue value;
    value.kind = opcode == kEmptyDict ? Kind::kDictionary : opcode == kEmptyList ? Kind::kList : Kind::kTuple;
    if (opcode == kTupleOp) {
      PTQ_ASSIGN_OR_RETURN(value.items, PopToMark());
    } else if (opcode >= kTuple1 && opcode <= kTuple3) {
      value.items.resize(opcode - kTuple1 + 1);
      for (size_t i = value.items.size(); i-- > 0;) {
        PTQ_ASSIGN_OR_RETURN(value.items[i], Pop());
      }
    }
    return Push(std::move(value));
  }

  Status Extend(uint8_t opcode) {
    const bool is_dictionary = opcode == kSetItem || opcode == kSetItems;
    std::vector<PickleValue*> items;
    if (opcode == kAppends || opcode == kSetItems) {
      PTQ_ASSIGN_OR_RETURN(items, PopToMark());
    } else {
      items.resize(is_dictionary ? 2 : 1);
      for (size_t i = items.size(); i-- > 0;) {
        PTQ_ASSIGN_OR_RETURN(items[i], Pop());
      }
    }
    PTQ_ASSIGN_OR_RETURN(PickleValue * target, Top());
    if (target->kind != (is_dictionary ? Kind::kDictionary : Kind::kList) || (is_dictionary && items.size() % 2 != 0)) {
      return Corrupt(std::string("data.pkl adds items to ") + Name(target->kind));
    }
    target->items.insert(target->items.end(), items.begin(), items.end());
    return OkStatus();
  }

  Status Memo(uint8_t opcode) {
    if (opcode == kMemoize) {
      return Remember(memo_.size());
    }
    const bool is_long = opcode == kLongBinPut || opcode == kLongBinGet;
    PTQ_ASSIGN_OR_RETURN(const uint64_t index, bytes_.TakeUnsigned(is_long ? 4 : 1));
    if (opcode == kBinPut || opcode == kLongBinPut) {
      return Remember(index);
    }
    const auto it = memo_.find(index);
    if (it == memo_.end()) {
      return Corrupt("data.pkl refers to value " + std::to_string(index) + " before it was stored");
    }
    stack_.push_back(it->second);
    return OkStatus();
  }

  Status Remember(uint64_t index) {
    if (memo_.size() >= kMaxPickleValues) {
      return TooMany();
    }
    PTQ_ASSIGN_OR_RETURN(memo_[index], Top());
    return OkStatus();
  }

  Status PushGlobal(uint8_t opcode) {
    std::string module;
    std::string name;
    if (opcode == kGlobalOp) {
      PTQ_ASSIGN_OR_RETURN(module, bytes_.TakeLine());
      PTQ_ASSIGN_OR_RETURN(name, bytes_.TakeLine());
    } else {
      PTQ_ASSIGN_OR_RETURN(const PickleValue* name_value, Pop());
      PTQ_ASSIGN_OR_RETURN(const PickleValue* module_value, Pop());
      if (name_value->kind != Kind::kString || module_value->kind != Kind::kString) {
        return Corrupt("data.pkl names a global by something that is no string");
      }
      module = module_value->text;
      name = name_value->text;
    }
    PickleValue value;
    value.kind = Kind::kGlobal;
    value.text = module + "." + name;
    if (!IsKnownGlobal(value.text)) {
      return Unsupported("data.pkl asks for the Python object " + Quoted(value.text) +
                         ", which a state dict does not need and which was not run; save model.state_dict() with "
                         "torch.save, or convert the file to safetensors");
    }
    return Push(std::move(value));
  }

  Status Call(uint8_t opcode) {
    PTQ_ASSIGN_OR_RETURN(const PickleValue* argument, Pop());
    if (opcode == kBinPersId) {
      PTQ_ASSIGN_OR_RETURN(PickleValue storage, StorageOf(*argument));
      return Push(std::move(storage));
    }
    if (opcode == kBuild) {  // attributes of an OrderedDict (_metadata) or of an opaque value: not needed
      PTQ_ASSIGN_OR_RETURN(const PickleValue* target, Top());
      const bool has_attributes = target->kind == Kind::kDictionary || target->kind == Kind::kOpaque;
      return has_attributes ? OkStatus() : Corrupt(std::string("data.pkl sets attributes of ") + Name(target->kind));
    }
    PTQ_ASSIGN_OR_RETURN(const PickleValue* global, Pop());
    if (PickleValue* same = PassedThrough(*global, *argument); same != nullptr) {
      stack_.push_back(same);
      return OkStatus();
    }
    PTQ_ASSIGN_OR_RETURN(PickleValue value, CallGlobal(*global, *argument));
    return Push(std::move(value));
  }

  static Error TooMany() {
    return Unsupported("data.pkl holds more than " + std::to_string(kMaxPickleValues) +
                       " values; save model.state_dict() alone");
  }

  Status Push(PickleValue value) {
    if (pickle_.values.size() >= kMaxPickleValues) {
      return TooMany();
    }
    pickle_.values.push_back(std::move(value));
    stack_.push_back(&pickle_.values.back());
    return OkStatus();
  }

  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }

  Result<PickleValue*> Top() {
    if (stack_.size() <= Floor()) {
      return Corrupt("data.pkl takes a value that it never made");
    }
    return stack_.back();
  }

  Result<PickleValue*> Pop() {
    PTQ_ASSIGN_OR_RETURN(PickleValue * top, Top());
    stack_.pop_back();
    return top;
  }

  Result<std::vector<PickleValue*>> PopToMark() {
    if (marks_.empty()) {
      return Corrupt("data.pkl ends a group that it never began");
    }
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue*> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }

  PickleBytes bytes_;
  Pickle pickle_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

}  // namespace

const char* Name(PickleValue::Kind kind) {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "a truth value";
    case Kind::kInteger:
      return "an integer";
    case Kind::kFloat:
      return "a number";
    case Kind::kString:
      return "a string";
    case Kind::kTuple:
      return "a tuple";
    case Kind::kList:
      return "a list";
    case Kind::kDictionary:
      return "a dictionary";
    case Kind::kGlobal:
      return "a global";
    case Kind::kStorage:
      return "a storage";
    case Kind::kTensor:
      return "a tensor";
    case Kind::kOpaque:
      return "an object";
  }
  return "?";
}

Result<Pickle> ReadPickle(std::string_view bytes, const std::string& where) {
  if (bytes.size() > kMaxPickleBytes) {
    return Unsupported("data.pkl holds " + std::to_string(bytes.size()) + " bytes, more than the accepted " +
                           std::to_string(kMaxPickleBytes) + "; save model.state_dict() alone",
                       where);
  }
  Result<Pickle> pickle = Machine(bytes).Run();
  if (!pickle.ok()) {
    return Error{pickle.error().code, pickle.error().message, where};
  }
  return pickle;
}

}  // namespace ptq::data
