#include "experiments/reproduce.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace ptq::experiments {
namespace {

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// "stored: seed=0; now: seed=1", for each line that only one of the texts has.
std::string DifferingLines(const std::string& stored, const std::string& now) {
  const std::vector<std::string> before = Lines(stored), after = Lines(now);
  std::string text;
  const auto add = [&text](const char* whose, const std::vector<std::string>& lines,
                           const std::vector<std::string>& others) {
    for (const std::string& line : lines) {
      if (std::find(others.begin(), others.end(), line) == others.end()) {
        text += std::string(text.empty() ? "" : "; ") + whose + ": " + line;
      }
    }
  };
  add("stored", before, after);
  add("now", after, before);
  return text;
}

// Whether both name the same line of a spec: what differs may be versions and hashes.
bool IsSameRequest(const results::TrialRecord& stored, const Trial& trial) {
  return stored.model == trial.workload->model.name && stored.dataset.name == trial.workload->dataset.name &&
         stored.method == trial.method_id() && stored.scheme == trial.scheme_text() && stored.seed == trial.seed &&
         stored.exec_mode == trial.exec_mode();
}

template <typename T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

bool SameOperand(const results::OperandRecord& a, const results::OperandRecord& b) {
  return a.name() == b.name() && a.grid == b.grid && a.num_bits == b.num_bits && a.granularity == b.granularity &&
         a.axis == b.axis && SameBits(a.scale, b.scale) && SameBits(a.zero_point, b.zero_point) &&
         SameBits(a.second_scale, b.second_scale) && SameBits(a.channel_bits, b.channel_bits) &&
         SameBits(a.correction, b.correction);
}

void CompareOperands(const std::vector<results::OperandRecord>& stored, const std::vector<results::OperandRecord>& now,
                     const char* what, Reproduction& result) {
  result.operands += static_cast<int64_t>(std::max(stored.size(), now.size()));
  std::string first;
  int64_t equal = 0;
  for (size_t i = 0; i < std::min(stored.size(), now.size()); ++i) {
    const bool same = SameOperand(stored[i], now[i]);
    equal += same ? 1 : 0;
    first = !same && first.empty() ? stored[i].name() : first;
  }
  result.equal_operands += equal;
  if (stored.size() != now.size()) {
    result.differences.push_back(std::to_string(stored.size()) + " " + what + " are stored, " +
                                 std::to_string(now.size()) + " came out now");
  } else if (!first.empty()) {
    result.differences.push_back(std::to_string(stored.size() - equal) + " of " + std::to_string(stored.size()) + " " +
                                 what + " differ, the first of them " + first);
  }
}

void ComparePredictions(const results::TrialRecord& stored, const results::TrialRecord& now, Reproduction& result) {
  result.images = static_cast<int64_t>(std::max(stored.predictions.size(), now.predictions.size()));
  int64_t first = -1;
  for (size_t i = 0; i < std::min(stored.predictions.size(), now.predictions.size()); ++i) {
    const bool same = stored.predictions[i].top == now.predictions[i].top;
    result.equal_predictions += same ? 1 : 0;
    first = !same && first < 0 ? static_cast<int64_t>(i) : first;
  }
  if (result.equal_predictions < result.images) {
    const bool named = first >= 0 && first < static_cast<int64_t>(now.dataset.image_ids.size());
    result.differences.push_back("the five classes of " + std::to_string(result.images - result.equal_predictions) +
                                 " of " + std::to_string(result.images) + " images differ" +
                                 (named ? ", the first of them " + now.dataset.image_ids[first] : std::string()));
  }
}

// Without what the run adds where it knows float32's accuracy, which may have been measured later.
std::map<std::string, std::string> PlanNotes(const results::TrialRecord& record) {
  std::map<std::string, std::string> notes = record.notes;
  notes.erase("worst_ops");
  return notes;
}

void CompareCircumstances(const results::TrialRecord& stored, const results::TrialRecord& now, Reproduction& result) {
  const auto add = [&result](const char* name, const std::string& before, const std::string& after) {
    if (before != after) {
      result.other_circumstances.push_back(std::string(name) + ": " + (before.empty() ? "unknown" : before) +
                                           " then, " + (after.empty() ? "unknown" : after) + " now");
    }
  };
  add("revision", stored.build.revision, now.build.revision);
  add("compiler", stored.build.compiler, now.build.compiler);
  add("libraries", stored.build.libraries, now.build.libraries);
  add("CPU", stored.host.cpu_model, now.host.cpu_model);
  add("threads", std::to_string(stored.threads), std::to_string(now.threads));
  add("usable CPUs", stored.affinity, now.affinity);
}

}  // namespace

Result<Trial> FindAgain(const results::TrialRecord& stored, const std::vector<Trial>& trials) {
  for (const Trial& trial : trials) {
    if (trial.key == stored.trial_key) {
      return trial;
    }
  }
  for (const Trial& trial : trials) {
    if (!IsSameRequest(stored, trial)) {
      continue;
    }
    if (trial.workload->absent) {
      return *trial.workload->absent;
    }
    return InvalidArgument("the stored spec names another trial by now, so that this one cannot run again: " +
                           DifferingLines(stored.trial_text, trial.text));
  }
  return InvalidArgument("the stored spec of this trial names no such trial any more");
}

Reproduction CompareAttempts(const results::TrialRecord& stored, const results::TrialRecord& now) {
  Reproduction result;
  if (stored.status != now.status || stored.reason != now.reason) {
    const auto outcome = [](const results::TrialRecord& record) {
      return results::Name(record.status) + (record.reason.empty() ? std::string() : " (" + record.reason + ")");
    };
    result.differences.push_back("it was " + outcome(stored) + " and is " + outcome(now));
  }
  CompareOperands(stored.operands, now.operands, "operands", result);
  CompareOperands(stored.norm_inputs, now.norm_inputs, "LayerNorm inputs", result);
  ComparePredictions(stored, now, result);
  if (PlanNotes(stored) != PlanNotes(now)) {
    result.differences.push_back("the notes of the plan differ");
  }
  if (stored.allocation_json != now.allocation_json) {
    result.differences.push_back("the choice of bits differs");
  }
  if (stored.size_bytes != now.size_bytes) {
    result.differences.push_back("the size is " + std::to_string(stored.size_bytes) + " bytes stored, " +
                                 std::to_string(now.size_bytes) + " now");
  }
  CompareCircumstances(stored, now, result);
  return result;
}

}  // namespace ptq::experiments
