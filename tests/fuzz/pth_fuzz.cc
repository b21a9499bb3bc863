// pth_fuzz.cc: any bytes as a .pth file.  The first byte chooses: an even one takes the rest as the whole archive, an
// odd one as data.pkl inside a good archive, since checksums would stop most changes of a pickle in a raw archive.

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/base/check.h"
#include "data/weights/pth.h"
#include "tests/data/weights/pth_builder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 != 0) {
    static const std::string kStorage(24, '\x3f');
    bytes = ptq::data::PthBytes(bytes, {{"0", kStorage}, {"1", kStorage.substr(0, 8)}, {"2", ""}});
  }
  const auto tensors = ptq::data::ParsePth(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "input");
  if (tensors.ok()) {
    for (const auto& [name, tensor] : *tensors) {
      PTQ_CHECK(static_cast<int64_t>(tensor.bytes->size()) == tensor.elements() * ptq::vit::SizeOf(tensor.dtype))
          << name;
    }
  }
  return 0;
}
