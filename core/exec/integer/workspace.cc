#include "core/exec/integer/workspace.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ptq::exec {
namespace {

constexpr size_t kLine = 64;
constexpr int64_t kSpare = 64;  // entries that a vector may read behind the last one

const StoredActivation& Of(const std::vector<StoredActivation>& channels, int64_t head) {
  return channels[channels.size() == 1 ? 0 : head];
}

size_t Bytes(int64_t entries, size_t size) { return static_cast<size_t>(entries + kSpare) * size; }

}  // namespace

void Buffer::Allocate(size_t bytes) {
  bytes_.assign(bytes + kLine, 0);
  data_ = bytes_.data() + (kLine - reinterpret_cast<uintptr_t>(bytes_.data()) % kLine) % kLine;
}

Workspace::Workspace(const LoweredModel& model) : model_(model), kernels_(KernelsFor(model.set)) {
  Allocate();
  AddPatches();
  for (const LoweredBlock& block : model_.blocks) {
    AddNorm(block.norm1, model_.config.tokens(), {&block.qkv});
    AddAttention(block);
    AddLinear(block.proj, block.proj.integer ? bytes_.As<void>() : floats_.As<void>(), stream_.As<void>());
    AddNorm(block.norm2, model_.config.tokens(), {&block.fc1});
    AddLinear(block.fc1, block.fc1.integer ? bytes_.As<void>() : floats_.As<void>(), hidden_.As<void>());
    AddGelu(block.fc2);
    AddLinear(block.fc2, block.fc2.integer ? bytes_.As<void>() : hidden_.As<void>(), stream_.As<void>());
  }
  AddHeads();
}

void Workspace::Allocate() {
  const vit::VitConfig& c = model_.config;
  const int64_t n = c.tokens();
  const int64_t widest = std::max({n * c.width, n * c.mlp_hidden, c.patches() * c.patch_elements()});
  stream_.Allocate(Bytes(n * c.width, sizeof(float)));
  bytes_.Allocate(Bytes(widest, 1));
  floats_.Allocate(Bytes(std::max(n * c.width, c.patches() * c.patch_elements()), sizeof(float)));
  hidden_.Allocate(Bytes(n * c.mlp_hidden, sizeof(float)));
  qkv_codes_.Allocate(Bytes(n * 3 * c.width, 1));
  qkv_floats_.Allocate(Bytes(n * 3 * c.width, sizeof(float)));
  head_floats_.Allocate(Bytes(2 * c.classes, sizeof(float)));
  row_values_.resize(std::max(n, c.patches()));
  row_sums_.resize(std::max(n, c.patches()));
  size_t scratch = 0, head_scratch = 0;
  const auto look = [&](const LoweredLinear& linear) { scratch = std::max(scratch, linear.product->scratch_bytes()); };
  look(model_.patch_embed);
  for (const LoweredBlock& block : model_.blocks) {
    for (const LoweredLinear* linear : {&block.qkv, &block.proj, &block.fc1, &block.fc2}) {
      look(*linear);
    }
    for (const LoweredAttention::Slice& slice : block.attention.slices) {
      head_scratch = std::max({head_scratch, slice.qk->scratch_bytes(), slice.pv->scratch_bytes()});
    }
  }
  for (const LoweredLinear& head : model_.heads) {
    look(head);
  }
  scratch_.Allocate(scratch + kLine);
  slots_ = std::vector<Slot>(model_.threads);
  for (Slot& slot : slots_) {
    slot.scores.Allocate(Bytes(n * model_.score_stride(), sizeof(float)));
    slot.probabilities.Allocate(Bytes(n * model_.score_stride(), sizeof(float)));
    slot.sums.Allocate(Bytes(n * c.head_width(), sizeof(float)));
    slot.scratch.Allocate(head_scratch + kLine);
    slot.column_terms.resize(n + kSpare);
    slot.row_terms.resize(n + kSpare);
    slot.row_sums.resize(n + kSpare);
    slot.column_sums.resize(std::max(n, c.head_width()) + kSpare);
  }
}

void Workspace::Add(const std::string& work, std::function<void()> run) {
  const auto it = std::find_if(seconds_.begin(), seconds_.end(), [&](const auto& each) { return each.first == work; });
  const size_t index = static_cast<size_t>(it - seconds_.begin());
  if (it == seconds_.end()) {
    seconds_.emplace_back(work, 0.0);
  }
  steps_.push_back({index, std::move(run)});
}

void Workspace::ForRows(int64_t rows, const std::function<void(int64_t, int64_t)>& run) const {
  const int64_t parts = std::min<int64_t>(model_.threads, rows);
  if (parts == 1) {
    run(0, rows);
    return;
  }
#pragma omp parallel for num_threads(parts) schedule(static)
  for (int64_t part = 0; part < parts; ++part) {
    run(rows * part / parts, rows * (part + 1) / parts);
  }
}

void Workspace::Run(const float* image, float* logits, bool profile) {
  image_ = image;
  logits_ = logits;
  if (!profile) {
    for (const Step& step : steps_) {
      step.run();
    }
    return;
  }
  auto before = std::chrono::steady_clock::now();
  for (const Step& step : steps_) {
    step.run();
    const auto now = std::chrono::steady_clock::now();
    seconds_[step.work].second += std::chrono::duration<double>(now - before).count();
    before = now;
  }
}

std::vector<std::pair<std::string, double>> Workspace::TakeProfile() {
  std::vector<std::pair<std::string, double>> taken = seconds_;
  for (auto& [work, seconds] : seconds_) {
    seconds = 0;
  }
  return taken;
}

void Workspace::AddPatches() {
  const vit::VitConfig& c = model_.config;
  const LoweredLinear& linear = model_.patch_embed;
  float* stream = stream_.As<float>();
  Add("patches", [this, stream] { std::copy(model_.first_stream.begin(), model_.first_stream.end(), stream); });
  if (linear.integer) {
    Add("patches", [this, &c, &linear] {
      kernels_.quantize_patches(image_, c.channels, c.image_size, c.patch_size, linear.left.map, bytes_.As<uint8_t>());
    });
  } else {
    Add("patches", [this, &c] {
      const int64_t grid = c.image_size / c.patch_size;
      float* out = floats_.As<float>();
      for (int64_t row = 0; row < grid; ++row) {
        for (int64_t column = 0; column < grid; ++column) {
          for (int64_t line = 0; line < c.channels * c.patch_size; ++line, out += c.patch_size) {
            const int64_t channel = line / c.patch_size, y = row * c.patch_size + line % c.patch_size;
            const float* in = image_ + (channel * c.image_size + y) * c.image_size + column * c.patch_size;
            std::copy(in, in + c.patch_size, out);
          }
        }
      }
    });
    AddFakeQuantize(linear.float_left, floats_.As<float>(), c.patches(), c.patch_elements());
  }
  AddLinear(linear, linear.integer ? bytes_.As<void>() : floats_.As<void>(), stream + c.prefix_tokens() * c.width);
}

void Workspace::AddFakeQuantize(const std::optional<quant::QuantParams>& params, float* x, int64_t rows,
                                int64_t columns) {
  if (!params) {
    return;
  }
  Add("fake-quantize", [this, p = *params, x, rows, columns] {
    ForRows(rows, [&](int64_t begin, int64_t end) {
      if (p.scale.size() == 1) {
        FakeQuantizeInPlace(p, 0, x + begin * columns, (end - begin) * columns);
        return;
      }
      // One scale a column, or a group of columns.
      const int64_t group = columns / static_cast<int64_t>(p.scale.size());
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t channel = 0; channel < static_cast<int64_t>(p.scale.size()); ++channel) {
          FakeQuantizeInPlace(p, channel, x + row * columns + channel * group, group);
        }
      }
    });
  });
}

// readers: what reads the rows' LayerNorm: all rows of one op, or of two heads one row each.
void Workspace::AddNorm(const LoweredNorm& norm, int64_t rows, const std::vector<const LoweredLinear*>& readers) {
  const int64_t width = model_.config.width;
  float* stream = stream_.As<float>();
  AddFakeQuantize(norm.input, stream, rows, width);
  const LayerNormWeights weights{norm.gamma.data(), norm.beta.data(), norm.eps};
  const int64_t rows_of_reader = rows / static_cast<int64_t>(readers.size());
  for (size_t i = 0; i < readers.size(); ++i) {
    const LoweredLinear& reader = *readers[i];
    const int64_t first = static_cast<int64_t>(i) * rows_of_reader;
    Add("layer_norm", [this, weights, &reader, stream, first, rows_of_reader, width] {
      ForRows(rows_of_reader, [&](int64_t begin, int64_t end) {
        const int64_t at = (first + begin) * width;
        if (reader.integer) {
          kernels_.layer_norm_quantize(stream + at, end - begin, width, weights, reader.left.map,
                                       bytes_.As<uint8_t>() + at);
        } else {
          kernels_.layer_norm(stream + at, end - begin, width, weights, floats_.As<float>() + at);
        }
      });
    });
    if (!reader.integer) {
      AddFakeQuantize(reader.float_left, floats_.As<float>() + first * width, rows_of_reader, width);
    }
  }
}

void Workspace::AddLinear(const LoweredLinear& linear, void* left, void* out) {
  Add(linear.integer ? "linear int8" : "linear float32", linear.product->Bind(left, out, scratch_.As<void>()));
  if (linear.column_values.empty()) {
    return;
  }
  Add("row terms", [this, &linear, left, out] {
    ForRows(linear.rows, [&](int64_t begin, int64_t end) {
      kernels_.row_sums_unsigned(static_cast<uint8_t*>(left) + begin * linear.inner, linear.inner, end - begin,
                                 linear.inner, row_sums_.data() + begin);
      for (int64_t i = begin; i < end; ++i) {
        row_values_[i] = linear.left.scale *
                         (static_cast<float>(row_sums_[i]) - static_cast<float>(linear.inner) * linear.left.zero);
      }
      kernels_.add_outer(row_values_.data() + begin, linear.column_values.data(), end - begin, linear.columns,
                         static_cast<float*>(out) + begin * linear.columns);
    });
  });
}

// q, k and v from floats: codes for products of codes, fake-quantized floats for the others.
void Workspace::AddStoreQkv(const LoweredAttention& attention) {
  const vit::VitConfig& c = model_.config;
  struct Part {
    bool integer;
    const std::vector<StoredActivation>* stored;
    const std::optional<quant::QuantParams>* params;
  };
  const std::vector<Part> parts = {{attention.qk_integer, &attention.q, &attention.float_q},
                                   {attention.qk_integer, &attention.k, &attention.float_k},
                                   {attention.pv_integer, &attention.v, &attention.float_v}};
  Add("quantize qkv", [this, &c, parts] {
    const int64_t d = c.head_width();
    ForRows(c.tokens(), [&](int64_t begin, int64_t end) {
      for (int64_t run = begin * 3 * c.heads; run < end * 3 * c.heads; ++run) {  // of one head's d columns
        const Part& part = parts[run / c.heads % 3];
        float* x = qkv_floats_.As<float>() + run * d;
        const int64_t head = run % c.heads;
        if (part.integer) {
          kernels_.quantize_signed(x, d, Of(*part.stored, head).map, qkv_codes_.As<int8_t>() + run * d);
        } else if (*part.params) {
          FakeQuantizeInPlace(**part.params, (*part.params)->scale.size() == 1 ? 0 : head, x, d);
        }
      }
    });
  });
}

void Workspace::AddAttention(const LoweredBlock& block) {
  const LoweredAttention& attention = block.attention;
  void* left = block.qkv.integer ? bytes_.As<void>() : floats_.As<void>();
  AddLinear(block.qkv, left, attention.qkv_stores_codes ? qkv_codes_.As<void>() : qkv_floats_.As<void>());
  if (!attention.qkv_stores_codes) {
    AddStoreQkv(attention);
  }
  std::vector<std::function<void()>> tasks;
  for (int64_t head = 0; head < model_.config.heads; ++head) {
    for (const LoweredAttention::Slice& slice : attention.slices) {
      tasks.push_back(AttentionTask(block, slice, head, slots_[tasks.size() % slots_.size()]));
    }
  }
  Add("attention", [this, tasks = std::move(tasks)] {
    if (model_.threads == 1) {
      for (const auto& task : tasks) {
        task();
      }
      return;
    }
    // A slot's tasks follow one another on one thread.
#pragma omp parallel for num_threads(model_.threads) schedule(static, 1)
    for (int slot = 0; slot < model_.threads; ++slot) {
      for (size_t task = slot; task < tasks.size(); task += model_.threads) {
        tasks[task]();
      }
    }
  });
  if (!block.proj.integer) {
    AddFakeQuantize(block.proj.float_left, floats_.As<float>(), model_.config.tokens(), model_.config.width);
  }
}

std::function<void()> Workspace::AttentionTask(const LoweredBlock& block, const LoweredAttention::Slice& slice,
                                               int64_t head, Slot& slot) {
  const LoweredAttention& a = block.attention;
  const int64_t n = model_.config.tokens(), d = model_.config.head_width(), width = model_.config.width;
  const int64_t stride = model_.score_stride(), row = 3 * width, rows = slice.end - slice.begin;
  int8_t* codes = qkv_codes_.As<int8_t>() + head * d;
  float* floats = qkv_floats_.As<float>() + head * d;
  const auto factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(d)));
  const auto part = [&](bool integer, int64_t index, int64_t first_row) -> const void* {
    return integer ? static_cast<const void*>(codes + first_row * row + index * width)
                   : static_cast<const void*>(floats + first_row * row + index * width);
  };
  const BoundProduct qk = slice.qk->Bind(part(a.qk_integer, 0, slice.begin), part(a.qk_integer, 1, 0),
                                         slot.scores.As<void>(), slot.scratch.As<void>());
  const BoundProduct pv = slice.pv->Bind(slot.probabilities.As<void>(), part(a.pv_integer, 2, 0), slot.sums.As<void>(),
                                         slot.scratch.As<void>());
  const LoweredLinear& proj = block.proj;
  const int64_t begin = slice.begin;
  return [this, &a, &proj, &slot, qk, pv, head, n, d, width, stride, row, rows, codes, factor, begin] {
    qk();
    const StoredActivation* p = a.pv_integer ? &Of(a.p, head) : nullptr;
    const StoredActivation* v = a.pv_integer ? &Of(a.v, head) : nullptr;
    const bool row_terms = a.pv_integer && v->zero != 0;
    int32_t* row_sums = row_terms ? slot.row_sums.data() : nullptr;
    if (a.qk_integer) {
      const StoredActivation &q = Of(a.q, head), &k = Of(a.k, head);
      const float* terms = nullptr;
      if (q.zero != 0) {
        kernels_.row_sums_signed(codes + width, row, n, d, slot.column_sums.data());
        for (int64_t j = 0; j < n; ++j) {
          slot.column_terms[j] = -q.zero * static_cast<float>(slot.column_sums[j]);
        }
        terms = slot.column_terms.data();
      }
      const float scale = q.scale * k.scale * factor;
      if (a.pv_integer) {
        kernels_.softmax_quantize(slot.scores.As<int32_t>(), stride, terms, rows, n, scale, p->map,
                                  slot.probabilities.As<uint8_t>(), stride, row_sums);
      } else {
        kernels_.softmax(slot.scores.As<int32_t>(), stride, terms, rows, n, scale, slot.probabilities.As<float>(),
                         stride);
      }
    } else if (a.pv_integer) {
      kernels_.softmax_quantize_float(slot.scores.As<float>(), stride, rows, n, factor, p->map,
                                      slot.probabilities.As<uint8_t>(), stride, row_sums);
    } else {
      kernels_.softmax_float(slot.scores.As<float>(), stride, rows, n, factor, slot.probabilities.As<float>(), stride);
    }
    if (!a.pv_integer && a.float_p) {
      for (int64_t i = 0; i < rows; ++i) {
        FakeQuantizeInPlace(*a.float_p, a.float_p->scale.size() == 1 ? 0 : head,
                            slot.probabilities.As<float>() + i * stride, n);
      }
    }
    pv();
    const int64_t out = begin * width + head * d;
    if (!a.pv_integer) {
      for (int64_t i = 0; i < rows; ++i) {
        const float* sums = slot.sums.As<float>() + i * d;
        if (proj.integer) {
          kernels_.quantize_unsigned(sums, d, proj.left.map, bytes_.As<uint8_t>() + out + i * width);
        } else {
          std::copy(sums, sums + d, floats_.As<float>() + out + i * width);
        }
      }
      return;
    }
    const float* column_terms = nullptr;
    if (p->zero != 0) {
      kernels_.column_sums_signed(codes + 2 * width, row, n, d, slot.column_sums.data());
      for (int64_t j = 0; j < d; ++j) {
        slot.column_terms[j] = -p->zero * static_cast<float>(slot.column_sums[j]);
      }
      column_terms = slot.column_terms.data();
    }
    if (row_terms) {
      for (int64_t i = 0; i < rows; ++i) {
        slot.row_terms[i] = -v->zero * (static_cast<float>(slot.row_sums[i]) - static_cast<float>(n) * p->zero);
      }
    }
    const float* terms = row_terms ? slot.row_terms.data() : nullptr;
    if (proj.integer) {
      kernels_.requantize(slot.sums.As<int32_t>(), d, rows, d, terms, column_terms, p->scale * v->scale, proj.left.map,
                          bytes_.As<uint8_t>() + out, width);
    } else {
      kernels_.dequantize(slot.sums.As<int32_t>(), d, rows, d, terms, column_terms, p->scale * v->scale,
                          floats_.As<float>() + out, width);
    }
  };
}

void Workspace::AddGelu(const LoweredLinear& fc2) {
  const int64_t hidden = model_.config.mlp_hidden;
  Add("gelu", [this, &fc2, hidden] {
    ForRows(model_.config.tokens(), [&](int64_t begin, int64_t end) {
      float* x = hidden_.As<float>() + begin * hidden;
      if (fc2.integer) {
        kernels_.gelu_quantize(x, (end - begin) * hidden, fc2.left.map, bytes_.As<uint8_t>() + begin * hidden);
      } else {
        kernels_.gelu(x, (end - begin) * hidden, x);
      }
    });
  });
  if (!fc2.integer) {
    AddFakeQuantize(fc2.float_left, hidden_.As<float>(), model_.config.tokens(), hidden);
  }
}

void Workspace::AddHeads() {
  const vit::VitConfig& c = model_.config;
  std::vector<const LoweredLinear*> heads;
  for (const LoweredLinear& head : model_.heads) {
    heads.push_back(&head);
  }
  AddNorm(model_.norm, static_cast<int64_t>(heads.size()), heads);
  for (size_t i = 0; i < heads.size(); ++i) {
    void* left = heads[i]->integer ? static_cast<void*>(bytes_.As<uint8_t>() + i * c.width)
                                   : static_cast<void*>(floats_.As<float>() + i * c.width);
    AddLinear(*heads[i], left, head_floats_.As<float>() + i * c.classes);
  }
  Add("head", [this, &c, two = heads.size() == 2] {
    const float* logits = head_floats_.As<float>();
    for (int64_t j = 0; j < c.classes; ++j) {
      logits_[j] = two ? (logits[j] + logits[j + c.classes]) / 2 : logits[j];
    }
  });
}

}  // namespace ptq::exec
