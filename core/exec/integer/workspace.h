// workspace.h: one image's way through a lowered model: buffers, and the steps bound to them.  Nothing is allocated
// after construction but what oneDNN keeps of a call's arguments.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/exec/integer/lowered_model.h"

namespace ptq::exec {

// Memory on cache lines.
class Buffer {
 public:
  void Allocate(size_t bytes);  // zeros
  template <typename T>
  T* As() {
    return reinterpret_cast<T*>(data_);
  }

 private:
  std::vector<uint8_t> bytes_;
  uint8_t* data_ = nullptr;
};

class Workspace {
 public:
  explicit Workspace(const LoweredModel& model);  // outlives the workspace
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  // image (channels, S, S) -> logits (classes).  On model.threads threads.
  void Run(const float* image, float* logits, bool profile);

  // Seconds by class of work since the last call.
  std::vector<std::pair<std::string, double>> TakeProfile();

 private:
  struct Step {
    size_t work;  // index into seconds_
    std::function<void()> run;
  };
  // What one thread needs for its part of attention.
  struct Slot {
    Buffer scores, probabilities, sums, scratch;
    std::vector<float> column_terms, row_terms;
    std::vector<int32_t> row_sums, column_sums;
  };

  void Allocate();
  void Add(const std::string& work, std::function<void()> run);
  // Calls run(begin, end) on parts of [0, rows).
  void ForRows(int64_t rows, const std::function<void(int64_t, int64_t)>& run) const;

  void AddPatches();
  void AddNorm(const LoweredNorm& norm, int64_t rows, const std::vector<const LoweredLinear*>& readers);
  void AddFakeQuantize(const std::optional<quant::QuantParams>& params, float* x, int64_t rows, int64_t columns);
  void AddLinear(const LoweredLinear& linear, void* left, void* out);
  void AddAttention(const LoweredBlock& block);
  void AddStoreQkv(const LoweredAttention& attention);
  std::function<void()> AttentionTask(const LoweredBlock& block, const LoweredAttention::Slice& slice, int64_t head,
                                      Slot& slot);
  void AddGelu(const LoweredLinear& fc2);
  void AddHeads();

  const LoweredModel& model_;
  const Kernels& kernels_;
  const float* image_ = nullptr;
  float* logits_ = nullptr;
  Buffer stream_, bytes_, floats_, hidden_, qkv_codes_, qkv_floats_, head_floats_, scratch_;
  std::vector<float> row_values_;
  std::vector<int32_t> row_sums_;
  std::vector<Slot> slots_;
  std::vector<Step> steps_;
  std::vector<std::pair<std::string, double>> seconds_;
};

}  // namespace ptq::exec
