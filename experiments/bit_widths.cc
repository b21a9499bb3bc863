#include "experiments/bit_widths.h"

#include <optional>

#include "core/quant/quant_params.h"

namespace ptq::experiments {
namespace {

constexpr char kMixedSuffix[] = " MP";

// The digits at `text[at]`, without a leading zero; at most three, so that nothing overflows.
std::optional<int> ReadDigits(const std::string& text, size_t* at) {
  const size_t begin = *at;
  int value = 0;
  while (*at < text.size() && text[*at] >= '0' && text[*at] <= '9' && *at - begin < 3) {
    value = 10 * value + (text[*at] - '0');
    ++*at;
  }
  if (*at == begin || text[begin] == '0') {
    return std::nullopt;
  }
  return value;
}

bool IsLegal(const std::optional<int>& bits) { return bits && *bits >= quant::kMinBits && *bits <= quant::kMaxBits; }

}  // namespace

Result<BitWidths> ParseBitWidths(const std::string& text, const std::string& what) {
  size_t at = 1;
  const bool begins = !text.empty() && text[0] == 'W';
  const std::optional<int> weight = begins ? ReadDigits(text, &at) : std::nullopt;
  const bool continues = weight && at < text.size() && text[at] == 'A';
  ++at;
  const std::optional<int> activation = continues ? ReadDigits(text, &at) : std::nullopt;
  const bool mixed = activation && text.substr(at) == kMixedSuffix;
  if (!IsLegal(weight) || !IsLegal(activation) || (at != text.size() && !mixed)) {
    return InvalidArgument(what + " is '" + text +
                           "'; write W<bits>A<bits> with bits in 2..16: W8A8 has 8-bit weights and 8-bit activations, "
                           "W8A8 MP mixes bits around 8");
  }
  if (mixed && *weight != *activation) {
    return InvalidArgument(what + " is '" + text +
                           "'; under mixed precision the weights and activations of an op share one width, so write "
                           "equal bits: W8A8 MP");
  }
  return BitWidths{*weight, *activation, mixed};
}

}  // namespace ptq::experiments
