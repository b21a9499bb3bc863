#include "core/method/packed_codes.h"

#include <string>

namespace ptq::method {
namespace {

constexpr int kByteBits = 8;

// The channel of QuantParams that a row belongs to.
int64_t ChannelOf(const quant::QuantParams& params, int64_t row) {
  return params.granularity == quant::Granularity::kPerTensor ? 0 : row;
}

Status CheckGrid(const quant::QuantParams& params, int64_t rows) {
  if (quant::SimulatedOnly(params.grid)) {
    return Unsupported(std::string("the grid ") + quant::Name(params.grid) +
                       " exists in simulation alone; only weights on uniform grids can be packed");
  }
  PTQ_CHECK(params.granularity == quant::Granularity::kPerTensor || static_cast<int64_t>(params.scale.size()) == rows)
      << params.scale.size() << " scales, " << rows << " rows";
  return OkStatus();
}

}  // namespace

int RowBits(const quant::QuantParams& params, int64_t row) {
  return params.channel_bits.empty() ? params.num_bits : params.channel_bits[ChannelOf(params, row)];
}

int64_t PackedBits(const quant::QuantParams& params, int64_t rows, int64_t row_elements) {
  int64_t bits = 0;
  for (int64_t row = 0; row < rows; ++row) {
    bits += RowBits(params, row) * row_elements;
  }
  return bits;
}

Result<std::vector<std::byte>> PackCodes(const std::vector<int32_t>& codes, const quant::QuantParams& params,
                                         int64_t rows) {
  PTQ_RETURN_IF_ERROR(CheckGrid(params, rows));
  PTQ_CHECK(rows > 0 && codes.size() % static_cast<size_t>(rows) == 0) << codes.size() << " codes, " << rows << " rows";
  const int64_t row_elements = static_cast<int64_t>(codes.size()) / rows;
  std::vector<std::byte> bytes;
  bytes.reserve((PackedBits(params, rows, row_elements) + kByteBits - 1) / kByteBits);
  uint32_t pending = 0;  // bits that fill no byte yet: 7 at most between codes
  int pending_bits = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const quant::CodeRange range = quant::Codes(params, ChannelOf(params, row));
    const int bits = RowBits(params, row);
    for (int64_t i = row * row_elements; i < (row + 1) * row_elements; ++i) {
      PTQ_CHECK(codes[i] >= range.qmin && codes[i] <= range.qmax) << "code " << codes[i] << " of row " << row;
      pending |= static_cast<uint32_t>(codes[i] - range.qmin) << pending_bits;
      for (pending_bits += bits; pending_bits >= kByteBits; pending_bits -= kByteBits) {
        bytes.push_back(static_cast<std::byte>(pending & 0xff));
        pending >>= kByteBits;
      }
    }
  }
  if (pending_bits > 0) {
    bytes.push_back(static_cast<std::byte>(pending));
  }
  return bytes;
}

Result<std::vector<int32_t>> UnpackCodes(const std::vector<std::byte>& bytes, const quant::QuantParams& params,
                                         int64_t rows, int64_t row_elements) {
  PTQ_RETURN_IF_ERROR(CheckGrid(params, rows));
  const int64_t needed = (PackedBits(params, rows, row_elements) + kByteBits - 1) / kByteBits;
  if (static_cast<int64_t>(bytes.size()) != needed) {
    return Corrupt("the packed codes are " + std::to_string(bytes.size()) + " bytes, the plan's widths need " +
                   std::to_string(needed));
  }
  std::vector<int32_t> codes(rows * row_elements);
  size_t next = 0;
  uint32_t pending = 0;
  int pending_bits = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const quant::CodeRange range = quant::Codes(params, ChannelOf(params, row));
    const int bits = RowBits(params, row);
    const uint32_t mask = (uint32_t{1} << bits) - 1;
    for (int64_t i = row * row_elements; i < (row + 1) * row_elements; ++i) {
      for (; pending_bits < bits; pending_bits += kByteBits) {
        pending |= std::to_integer<uint32_t>(bytes[next++]) << pending_bits;
      }
      codes[i] = static_cast<int32_t>(pending & mask) + range.qmin;
      pending >>= bits;
      pending_bits -= bits;
      if (codes[i] > range.qmax) {
        return Corrupt("row " + std::to_string(row) + " holds the code " + std::to_string(codes[i]) +
                       ", its grid ends at " + std::to_string(range.qmax));
      }
    }
  }
  if (pending != 0) {
    return Corrupt("the bits after the last packed code are not all zero");
  }
  return codes;
}

}  // namespace ptq::method
