#include "core/method/bit_allocation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "core/quant/quant_params.h"

namespace ptq::method {

using nlohmann::json;

namespace {

// A whole number; nlohmann would cut 8.5 to 8.
int64_t Whole(const json& value) {
  if (!value.is_number_integer()) {
    throw std::invalid_argument(value.dump() + " is not a whole number");
  }
  return value.get<int64_t>();
}

int WholeInt(const json& value) {
  const int64_t whole = Whole(value);
  if (whole < -1000 || whole > 1000) {
    throw std::invalid_argument(value.dump() + " is no number of bits");
  }
  return static_cast<int>(whole);
}

std::vector<int> WholeInts(const json& values) {
  std::vector<int> whole;
  for (const json& value : values) {
    whole.push_back(WholeInt(value));
  }
  return whole;
}

}  // namespace

Status Validate(const BitAllocation& a) {
  const std::vector<int>& candidates = a.candidate_bits;
  const bool ascending =
      std::adjacent_find(candidates.begin(), candidates.end(), std::greater_equal<>()) == candidates.end();
  if (candidates.empty() || a.groups.empty() || !ascending || candidates.front() < quant::kMinBits ||
      candidates.back() > quant::kMaxBits) {
    return InvalidArgument("a bit allocation needs groups, and ascending candidate bits in 2..16");
  }
  if (!std::isfinite(a.budget_bytes) ||
      !std::is_sorted(a.front.begin(), a.front.end(),
                      [](const auto& x, const auto& y) { return x.size_bytes < y.size_bytes; })) {
    return InvalidArgument("a bit allocation needs a finite budget and a Pareto front of ascending sizes");
  }
  for (const BitAllocation::Group& group : a.groups) {
    if (group.omega.size() != a.candidate_bits.size() || group.parameters <= 0) {
      return InvalidArgument("needs a sensitivity for each candidate and at least one parameter", group.name);
    }
  }
  for (const BitAllocation::Point& point : a.front) {
    if (point.bits.size() != a.groups.size()) {
      return InvalidArgument("a point of the Pareto front has " + std::to_string(point.bits.size()) + " widths for " +
                             std::to_string(a.groups.size()) + " groups");
    }
    for (const int bits : point.bits) {
      if (!std::binary_search(a.candidate_bits.begin(), a.candidate_bits.end(), bits)) {
        return InvalidArgument("a point of the Pareto front has " + std::to_string(bits) + " bits, no candidate");
      }
    }
  }
  if (a.chosen < 0 || a.chosen >= static_cast<int64_t>(a.front.size()) || a.choice().size_bytes > a.budget_bytes) {
    return InvalidArgument("the chosen assignment is not on the front, or over the budget");
  }
  return OkStatus();
}

std::string ToJson(const BitAllocation& a) {
  json groups = json::array();
  for (const BitAllocation::Group& group : a.groups) {
    groups.push_back({{"name", group.name},
                      {"kind", group.kind},
                      {"parameters", group.parameters},
                      {"nuclear_norm", group.nuclear_norm},
                      {"omega", group.omega}});
  }
  json front = json::array();
  for (const BitAllocation::Point& point : a.front) {
    front.push_back({{"size_bytes", point.size_bytes}, {"omega", point.omega}, {"bits", point.bits}});
  }
  return json{{"target_bits", a.target_bits},
              {"budget_bytes", a.budget_bytes},
              {"candidate_bits", a.candidate_bits},
              {"groups", groups},
              {"front", front},
              {"chosen", a.chosen}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<BitAllocation> BitAllocationFromJson(const std::string& text) {
  BitAllocation a;
  try {
    const json root = json::parse(text);
    a.target_bits = WholeInt(root.at("target_bits"));
    a.budget_bytes = root.at("budget_bytes").get<double>();
    a.candidate_bits = WholeInts(root.at("candidate_bits"));
    a.chosen = Whole(root.at("chosen"));
    for (const json& group : root.at("groups")) {
      a.groups.push_back({group.at("name").get<std::string>(), group.at("kind").get<std::string>(),
                          Whole(group.at("parameters")), group.at("nuclear_norm").get<double>(),
                          group.at("omega").get<std::vector<double>>()});
    }
    for (const json& point : root.at("front")) {
      a.front.push_back(
          {point.at("size_bytes").get<double>(), point.at("omega").get<double>(), WholeInts(point.at("bits"))});
    }
  } catch (const std::exception& fault) {
    return Corrupt(std::string("the bit allocation cannot be read: ") + fault.what());
  }
  const Status valid = Validate(a);
  return valid.ok() ? Result<BitAllocation>(std::move(a)) : Corrupt(valid.error().ToString());
}

}  // namespace ptq::method
