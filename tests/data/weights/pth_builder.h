// pth_builder.h: a small assembler for pickles and zip archives, to build good and hostile .pth files in memory.
#pragma once

#include <zip.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace ptq::data {

// Appends pickle opcodes; the caller keeps the stack in mind, as with any assembler.
class PickleWriter {
 public:
  PickleWriter() { Op("\x80\x02"); }  // protocol 2, as torch.save writes

  PickleWriter& Op(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleWriter& Mark() { return Op("("); }
  PickleWriter& EmptyDictionary() { return Op("}"); }
  PickleWriter& SetItems() { return Op("u"); }
  PickleWriter& Tuple() { return Op("t"); }
  PickleWriter& EmptyTuple() { return Op(")"); }
  PickleWriter& Reduce() { return Op("R"); }
  PickleWriter& Global(const std::string& module, const std::string& name) {
    return Op("c" + module + "\n" + name + "\n");
  }
  PickleWriter& Text(const std::string& text) {
    Op("X");
    return Number(text.size(), 4).Op(text);
  }
  PickleWriter& Integer(int64_t value) {
    Op("\x8a\x08");
    return Number(static_cast<uint64_t>(value), 8);
  }
  PickleWriter& Integers(const std::vector<int64_t>& values) {
    Mark();
    for (const int64_t value : values) {
      Integer(value);
    }
    return Tuple();
  }
  // torch.FloatStorage and its like, by persistent id.
  PickleWriter& Storage(const std::string& type, const std::string& key, int64_t elements) {
    return Mark().Text("storage").Global("torch", type).Text(key).Text("cpu").Integer(elements).Tuple().Op("Q");
  }
  PickleWriter& Tensor(const std::string& type, const std::string& key, int64_t elements, int64_t offset,
                       const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
    Global("torch._utils", "_rebuild_tensor_v2").Mark().Storage(type, key, elements).Integer(offset);
    Integers(shape).Integers(strides).Op("\x89");
    return Global("collections", "OrderedDict").EmptyTuple().Reduce().Tuple().Reduce();
  }
  PickleWriter& OrderedDictionary() { return Global("collections", "OrderedDict").EmptyTuple().Reduce(); }
  std::string Stop() { return bytes_ + "."; }

 private:
  PickleWriter& Number(uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      bytes_.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
    }
    return *this;
  }

  std::string bytes_;
};

using ZipEntries = std::vector<std::pair<std::string, std::string>>;

// A zip archive with these entries; stored as torch.save does, or deflated.
inline std::string ZipBytes(const ZipEntries& entries, bool stored = true) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* buffer = zip_source_buffer_create(nullptr, 0, 0, &error);
  PTQ_CHECK(buffer != nullptr);
  zip_source_keep(buffer);
  zip_t* archive = zip_open_from_source(buffer, ZIP_TRUNCATE, &error);
  PTQ_CHECK(archive != nullptr);
  for (const auto& [name, bytes] : entries) {
    zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
    const zip_int64_t index = zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
    PTQ_CHECK(index >= 0) << name;
    const int method = stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE;
    PTQ_CHECK(zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0) == 0);
  }
  PTQ_CHECK(zip_close(archive) == 0);
  zip_stat_t info;
  PTQ_CHECK(zip_source_stat(buffer, &info) == 0 && zip_source_open(buffer) == 0);
  std::string bytes(info.size, '\0');
  PTQ_CHECK(zip_source_read(buffer, bytes.data(), bytes.size()) == static_cast<zip_int64_t>(bytes.size()));
  zip_source_close(buffer);
  zip_source_free(buffer);
  zip_error_fini(&error);
  return bytes;
}

// "archive/data.pkl", "archive/data/<key>" per storage and "archive/version", as torch.save lays them out.
inline std::string PthBytes(const std::string& pickle, const ZipEntries& storages) {
  ZipEntries entries = {{"archive/data.pkl", pickle}};
  for (const auto& [key, bytes] : storages) {
    entries.emplace_back("archive/data/" + key, bytes);
  }
  entries.emplace_back("archive/version", "3\n");
  return ZipBytes(entries);
}

}  // namespace ptq::data
