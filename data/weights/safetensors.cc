#include "data/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "data/files/file_io.h"
#include "data/weights/byte_source.h"
#include "data/weights/safetensors_header.h"

namespace ptq::data {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr const char* kMetadataName = "__metadata__";

Result<std::string> ReadHeaderText(const ByteSource& source, const std::string& where) {
  if (source.size() < kLengthBytes) {
    return Corrupt(
        "the file holds " + std::to_string(source.size()) + " bytes, too few for a safetensors file; fetch it again",
        where);
  }
  std::byte prefix[kLengthBytes];
  PTQ_RETURN_IF_ERROR(source.Read(0, prefix, kLengthBytes));
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= std::to_integer<uint64_t>(prefix[i]) << (8 * i);
  }
  if (length > kMaxSafetensorsHeaderBytes) {
    return Corrupt("the header claims " + std::to_string(length) + " bytes, more than the format's " +
                       std::to_string(kMaxSafetensorsHeaderBytes) + ", so this is no safetensors file",
                   where);
  }
  if (length > source.size() - kLengthBytes) {
    return Corrupt("the header claims " + std::to_string(length) + " bytes and the file holds " +
                       std::to_string(source.size() - kLengthBytes) + " after it began; fetch it again",
                   where);
  }
  std::string text(length, '\0');
  PTQ_RETURN_IF_ERROR(source.Read(kLengthBytes, reinterpret_cast<std::byte*>(text.data()), text.size()));
  return text;
}

// The ranges cover the data section exactly once.
Status CheckLayout(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes, const std::string& where) {
  std::vector<const SafetensorsEntry*> order;
  order.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) {
    if (entry.end > data_bytes) {
      return Corrupt("tensor " + Quoted(entry.name) + " ends at byte " + std::to_string(entry.end) + " of " +
                         std::to_string(data_bytes) + " data bytes; the file is cut short, fetch it again",
                     where);
    }
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return std::tie(a->begin, a->end, a->name) < std::tie(b->begin, b->end, b->name);
  });
  uint64_t covered = 0;
  const SafetensorsEntry* last = nullptr;
  for (const SafetensorsEntry* entry : order) {
    if (entry->begin < covered) {
      return Corrupt("the data of tensors " + Quoted(last->name) + " and " + Quoted(entry->name) + " overlap", where);
    }
    if (entry->begin > covered) {
      return Corrupt("bytes " + std::to_string(covered) + " to " + std::to_string(entry->begin) +
                         " of the data, before tensor " + Quoted(entry->name) + ", belong to no tensor",
                     where);
    }
    covered = entry->end;
    last = entry;
  }
  if (covered != data_bytes) {
    return Corrupt(std::to_string(data_bytes - covered) + " bytes after the last tensor belong to no tensor", where);
  }
  return OkStatus();
}

Result<SafetensorsFile> ReadFrom(const ByteSource& source, const std::string& where) {
  PTQ_ASSIGN_OR_RETURN(const std::string text, ReadHeaderText(source, where));
  PTQ_ASSIGN_OR_RETURN(SafetensorsHeader header, ParseSafetensorsHeader(text, where));
  const uint64_t data_begin = kLengthBytes + text.size();
  PTQ_RETURN_IF_ERROR(CheckLayout(header.entries, source.size() - data_begin, where));
  SafetensorsFile file;
  file.metadata = std::move(header.metadata);
  for (SafetensorsEntry& entry : header.entries) {
    auto allocated = AllocateBytes(entry.end - entry.begin, "tensor " + Quoted(entry.name));
    if (!allocated.ok()) {
      return IoError(allocated.error().message, where);
    }
    auto bytes = std::make_shared<std::vector<std::byte>>(std::move(allocated).value());
    PTQ_RETURN_IF_ERROR(source.Read(data_begin + entry.begin, bytes->data(), bytes->size()));
    file.tensors.emplace(std::move(entry.name), vit::HostTensor{entry.dtype, std::move(entry.shape), std::move(bytes)});
  }
  return file;
}

}  // namespace

Result<SafetensorsFile> ReadSafetensors(const std::string& path) {
  PTQ_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenFileSource(path));
  return ReadFrom(*source, path);
}

Result<SafetensorsFile> ParseSafetensors(const std::byte* bytes, size_t size, const std::string& where) {
  return ReadFrom(*MemorySource(bytes, size), where);
}

std::string SerializeSafetensors(const SafetensorsFile& file) {
  using Item = vit::TensorMap::value_type;
  std::vector<const Item*> order;
  order.reserve(file.tensors.size());
  for (const Item& item : file.tensors) {
    const vit::HostTensor& tensor = item.second;
    PTQ_CHECK(item.first != kMetadataName);
    PTQ_CHECK(static_cast<int64_t>(tensor.bytes->size()) == tensor.elements() * vit::SizeOf(tensor.dtype))
        << item.first;
    order.push_back(&item);
  }
  // Wider elements first, so that each tensor is aligned to its element and no hole is needed.
  std::stable_sort(order.begin(), order.end(), [](const Item* a, const Item* b) {
    return vit::SizeOf(a->second.dtype) > vit::SizeOf(b->second.dtype);
  });
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty()) {
    header[kMetadataName] = file.metadata;
  }
  uint64_t data_bytes = 0;
  for (const Item* item : order) {
    const vit::HostTensor& tensor = item->second;
    const uint64_t end = data_bytes + tensor.bytes->size();
    header[item->first] = {
        {"dtype", vit::Name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {data_bytes, end}}};
    data_bytes = end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string bytes;
  bytes.reserve(kLengthBytes + text.size() + data_bytes);
  for (size_t i = 0; i < kLengthBytes; ++i) {
    bytes.push_back(static_cast<char>((static_cast<uint64_t>(text.size()) >> (8 * i)) & 0xff));
  }
  bytes += text;
  for (const Item* item : order) {
    const std::vector<std::byte>& data = *item->second.bytes;
    bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return bytes;
}

Status WriteSafetensors(const std::string& path, const SafetensorsFile& file) {
  if (file.tensors.count(kMetadataName) != 0) {
    return InvalidArgument("safetensors reserves the name '__metadata__'; rename the tensor", path);
  }
  return WriteFileAtomically(path, SerializeSafetensors(file));
}

}  // namespace ptq::data
