#include "baselines/bit_split/op_codes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/parallel.h"

namespace ptq::bit_split {
namespace {

// Samples a product takes in at once: few enough that no library cuts the sum over them between threads.
constexpr int64_t kSamplesAtOnce = 128;
constexpr double kSmallestScale = 1e-30;

std::vector<SplitRow> QuantizeRows(const at::Tensor& weight, int bits, int threads) {
  const int64_t inner = weight.size(1);
  const float* values = weight.data_ptr<float>();
  std::vector<SplitRow> rows(weight.size(0));
  ParallelFor(threads, weight.size(0),
              [&](int64_t row) { rows[row] = QuantizeRow(values + row * inner, inner, bits); });
  return rows;
}

OpCodes Stitched(const std::vector<SplitRow>& rows, int bits) {
  OpCodes result;
  result.bits = bits;
  for (const SplitRow& row : rows) {
    const auto scale = static_cast<float>(row.scale);
    const bool usable = scale >= kSmallestScale && std::isfinite(scale);
    result.scale.push_back(usable ? scale : 1.0F);
    for (const int32_t code : Stitch(row.digits, bits)) {
      result.codes.push_back(static_cast<int16_t>(usable ? code : 0));
    }
  }
  return result;
}

// X'X (K, K) and Y'X (O, K) in double.
struct GramTensors {
  at::Tensor xx, yx;

  explicit GramTensors(const OpRows& rows)
      : xx(at::zeros({rows.input.size(1), rows.input.size(1)}, at::kDouble)),
        yx(at::zeros({rows.output.size(1), rows.input.size(1)}, at::kDouble)) {
    for (int64_t first = 0; first < rows.input.size(0); first += kSamplesAtOnce) {
      const int64_t count = std::min(kSamplesAtOnce, rows.input.size(0) - first);
      const at::Tensor x = rows.input.narrow(0, first, count).to(at::kDouble);
      xx.addmm_(x.t(), x);
      yx.addmm_(rows.output.narrow(0, first, count).to(at::kDouble).t(), x);
    }
  }
};

// ||Y - X W'||^2, summed in one order whatever the number of threads.
double OutputError(const OpRows& rows, const at::Tensor& weight) {
  double error = 0;
  for (int64_t first = 0; first < rows.input.size(0); first += kSamplesAtOnce) {
    const int64_t count = std::min(kSamplesAtOnce, rows.input.size(0) - first);
    const at::Tensor product = at::matmul(rows.input.narrow(0, first, count), weight.t()).contiguous();
    const float* found = product.data_ptr<float>();
    const float* wanted = rows.output.data_ptr<float>() + first * rows.output.size(1);
    for (int64_t i = 0; i < product.numel(); ++i) {
      const double difference = static_cast<double>(wanted[i]) - found[i];
      error += difference * difference;
    }
  }
  return error;
}

Error CorruptPart() {
  return Corrupt(
      "a kept part of the calibration cannot be read; delete the .calibration file beside the database, which loses "
      "time only");
}

}  // namespace

at::Tensor OpCodes::Weight() const {
  const auto outputs = static_cast<int64_t>(scale.size());
  const int64_t inner = static_cast<int64_t>(codes.size()) / outputs;
  at::Tensor weight = at::empty({outputs, inner}, at::kFloat);
  float* values = weight.data_ptr<float>();
  for (int64_t i = 0; i < outputs * inner; ++i) {
    values[i] = scale[i / inner] * static_cast<float>(codes[i]);
  }
  return weight;
}

quant::QuantParams OpCodes::Params() const {
  quant::QuantParams params;
  params.grid = quant::Grid::kSymmetricRestricted;
  params.num_bits = bits;
  params.granularity = quant::Granularity::kPerChannel;
  params.axis = 0;
  params.scale = scale;
  params.zero_point.assign(scale.size(), 0);
  return params;
}

OpCodes CodesOfWeight(const at::Tensor& weight, int bits, int threads) {
  return Stitched(QuantizeRows(weight, bits, threads), bits);
}

Result<OpCodes> ReconstructedCodes(const at::Tensor& weight, const OpRows& rows, int bits,
                                   const ReconstructionOptions& options) {
  const at::NoGradGuard no_grad;
  std::vector<SplitRow> split = QuantizeRows(weight, bits, options.threads);
  const double error_before = OutputError(rows, Stitched(split, bits).Weight());
  const GramTensors tensors(rows);
  const OutputGram gram{weight.size(0), weight.size(1), tensors.xx.data_ptr<double>(), tensors.yx.data_ptr<double>()};
  PTQ_ASSIGN_OR_RETURN(const ReconstructionCounts counts, Reconstruct(gram, options, split));
  OpCodes result = Stitched(split, bits);
  const double energy = OutputError(rows, at::zeros_like(weight));
  if (energy > 0) {
    result.error_before = error_before / energy;
    result.error_after = OutputError(rows, result.Weight()) / energy;
  }
  result.settled_rows = counts.settled;
  result.epochs = counts.longest;
  return result;
}

std::string Encode(const OpCodes& codes) {
  const nlohmann::json header = {{"bits", codes.bits},
                                 {"scale", codes.scale},
                                 {"error_before", codes.error_before},
                                 {"error_after", codes.error_after},
                                 {"settled_rows", codes.settled_rows},
                                 {"epochs", codes.epochs}};
  std::string bytes = header.dump() + "\n";
  for (const int16_t code : codes.codes) {
    bytes.push_back(static_cast<char>(code & 0xff));
    if (codes.bits > 8) {
      bytes.push_back(static_cast<char>((code >> 8) & 0xff));
    }
  }
  return bytes;
}

Result<OpCodes> DecodeCodes(const std::string& bytes, int64_t outputs, int64_t inner, int bits) {
  const size_t end = bytes.find('\n');
  const nlohmann::json header = nlohmann::json::parse(bytes.substr(0, end), nullptr, false);
  const size_t width = bits > 8 ? 2 : 1;
  const auto count = static_cast<size_t>(outputs * inner);
  if (end == std::string::npos || header.is_discarded() || bytes.size() != end + 1 + width * count) {
    return CorruptPart();
  }
  OpCodes codes;
  try {
    codes.bits = header.at("bits").get<int>();
    codes.scale = header.at("scale").get<std::vector<float>>();
    codes.error_before = header.at("error_before").get<double>();
    codes.error_after = header.at("error_after").get<double>();
    codes.settled_rows = header.at("settled_rows").get<int64_t>();
    codes.epochs = header.at("epochs").get<int64_t>();
  } catch (const nlohmann::json::exception&) {
    return CorruptPart();
  }
  if (codes.bits != bits || codes.scale.size() != static_cast<size_t>(outputs) ||
      !quant::Validate(codes.Params()).ok()) {
    return CorruptPart();
  }
  const char* at = bytes.data() + end + 1;
  for (size_t i = 0; i < count; ++i, at += width) {
    const auto low = static_cast<uint8_t>(at[0]);
    codes.codes.push_back(width == 1 ? static_cast<int8_t>(low)
                                     : static_cast<int16_t>(low | static_cast<uint8_t>(at[1]) << 8));
  }
  return codes;
}

}  // namespace ptq::bit_split
