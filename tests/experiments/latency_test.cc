// The protocol on executors and a clock that only pretend.
#include "experiments/latency.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "core/vit/parameters.h"
#include "experiments/random_weights.h"
#include "experiments/system_info.h"
#include "tests/testing/tiny_config.h"

namespace ptq::experiments {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr int64_t kMillisecond = 1'000'000;

// Time that passes only where an executor or the spin lets it, and the order of what ran.
struct World {
  int64_t now_ns = 5 * kMillisecond;
  int64_t spin_ns = 2 * kMillisecond;
  std::string order;  // f, i, s
  std::vector<int> threads;

  LatencyClock Clock() {
    return {[this] { return now_ns; },
            [this] {
              order += 's';
              now_ns += spin_ns;
            }};
  }
};

class Pretending final : public exec::Executor {
 public:
  Pretending(World& world, char name, int64_t cost_ns) : world_(world), name_(name), cost_ns_(cost_ns) {}
  at::Tensor Run(const at::Tensor& images) override {
    world_.order += name_;
    world_.threads.push_back(at::get_num_threads());
    world_.now_ns += cost_ns_;
    return images;
  }

 private:
  World& world_;
  const char name_;
  const int64_t cost_ns_;
};

// Asks to stop once `runs` executors ran.
class StopAfter final : public Progress {
 public:
  StopAfter(const World& world, size_t runs) : world_(world), runs_(runs) {}
  void Begin(const std::string&, int64_t) override {}
  void Advance(int64_t) override {}
  void End() override {}
  bool stop_requested() const override { return world_.threads.size() >= runs_; }

 private:
  const World& world_;
  const size_t runs_;
};

// What a bar would show.
class Recorded final : public Progress {
 public:
  void Begin(const std::string& label, int64_t total) override {
    labels.push_back(label);
    totals.push_back(total);
    done.push_back(0);
  }
  void Advance(int64_t steps) override { done.back() += steps; }
  void End() override { ++ended; }
  bool stop_requested() const override { return false; }
  std::vector<std::string> labels;
  std::vector<int64_t> totals, done;
  int ended = 0;
};

class LatencyTest : public ::testing::Test {
 protected:
  LatencyTest() {
    protocol_.threads = 1;
    protocol_.warmup_runs = 2;
    protocol_.warmup_seconds = 0;
    protocol_.min_rounds = 4;
    protocol_.max_rounds = 100;
    protocol_.seconds = 0;
  }
  Result<PairedTimes> Measure(int64_t float_ns, int64_t integer_ns, Progress& progress) {
    Pretending float32(world_, 'f', float_ns), integer(world_, 'i', integer_ns);
    return MeasureLatency(float32, integer, at::zeros({1}), protocol_, world_.Clock(), progress);
  }
  PairedTimes Measure(int64_t float_ns, int64_t integer_ns) { return Measure(float_ns, integer_ns, progress_).value(); }

  World world_;
  LatencyProtocol protocol_;
  NullProgress progress_;
};

TEST_F(LatencyTest, EveryOtherRoundBeginsWithTheOtherSide) {
  const PairedTimes times = Measure(3 * kMillisecond, kMillisecond);
  EXPECT_EQ(world_.order,
            "fifi"
            "s"
            "fis"
            "ifs"
            "fis"
            "ifs");
  EXPECT_EQ(times.warmup_runs, 2);
  EXPECT_THAT(times.float_ns, SizeIs(4));
  EXPECT_THAT(times.float_ns, Each(3 * kMillisecond));
  EXPECT_THAT(times.integer_ns, SizeIs(4));
  EXPECT_THAT(times.integer_ns, Each(kMillisecond));
  EXPECT_THAT(times.spin_ns, SizeIs(5));
  EXPECT_THAT(times.spin_ns, Each(2 * kMillisecond));
}

TEST_F(LatencyTest, WarmsUpForBothItsRunsAndItsTime) {
  protocol_.warmup_runs = 3;
  protocol_.warmup_seconds = 0.01;
  EXPECT_EQ(Measure(5 * kMillisecond, 4 * kMillisecond).warmup_runs, 3) << "12 ms of the faster side";
  world_.order.clear();
  EXPECT_EQ(Measure(5 * kMillisecond, kMillisecond).warmup_runs, 3) << "15 ms of the slower side";
  EXPECT_EQ(world_.order.substr(0, 14), "fififiiiiiiiis") << "10 ms of the faster side";
}

TEST_F(LatencyTest, RoundsGoOnUntilThereIsTimeEnoughOrThereAreEnough) {
  // a round takes 3 + 1 + 2 ms, and one spin stands before the first
  protocol_.seconds = 0.050;
  EXPECT_THAT(Measure(3 * kMillisecond, kMillisecond).float_ns, SizeIs(8));
  protocol_.max_rounds = 6;
  EXPECT_THAT(Measure(3 * kMillisecond, kMillisecond).float_ns, SizeIs(6));
  protocol_.seconds = 0.001;
  EXPECT_THAT(Measure(3 * kMillisecond, kMillisecond).float_ns, SizeIs(4)) << "never fewer than min_rounds";
  protocol_.min_rounds = protocol_.max_rounds = 9;
  EXPECT_THAT(Measure(3 * kMillisecond, kMillisecond).float_ns, SizeIs(9));
}

TEST_F(LatencyTest, BothSidesHaveTheThreadsThatAreAskedForAndNobodyKeepsThem) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  protocol_.threads = 2;
  Measure(kMillisecond, kMillisecond);
  EXPECT_THAT(world_.threads, SizeIs(12));
  EXPECT_THAT(world_.threads, Each(2));
  EXPECT_EQ(at::get_num_threads(), 1);
  StopAfter stopping(world_, world_.threads.size() + 1);
  EXPECT_FALSE(Measure(kMillisecond, kMillisecond, stopping).ok());
  EXPECT_EQ(at::get_num_threads(), 1);
  at::set_num_threads(before);
}

TEST_F(LatencyTest, StopsAfterTheRunThatWasOnItsWay) {
  for (const size_t runs : {1U, 3U, 5U, 8U}) {
    world_ = World();
    StopAfter stopping(world_, runs);
    const Result<PairedTimes> times = Measure(kMillisecond, kMillisecond, stopping);
    ASSERT_FALSE(times.ok());
    EXPECT_EQ(times.error().code, ErrorCode::kInterrupted);
    EXPECT_EQ(world_.threads.size(), runs);
  }
}

TEST_F(LatencyTest, ProgressIsFilledAndEnded) {
  protocol_.seconds = 0.1;
  protocol_.warmup_seconds = 0.01;
  Recorded recorded;
  ASSERT_TRUE(Measure(3 * kMillisecond, kMillisecond, recorded).ok());
  EXPECT_THAT(recorded.labels, ElementsAre("warm up", "time"));
  EXPECT_EQ(recorded.done, recorded.totals);
  EXPECT_EQ(recorded.ended, 2);
}

TEST(ClockDriftTest, ComparesTheFirstWithTheLastThird) {
  EXPECT_EQ(ClockDrift({100}), 0);
  EXPECT_EQ(ClockDrift({100, 100, 100, 100, 100, 100}), 0);
  EXPECT_DOUBLE_EQ(ClockDrift({100, 100, 900, 900, 125, 125}), 0.25) << "the middle does not count";
  EXPECT_DOUBLE_EQ(ClockDrift({125, 125, 125, 100, 100, 100}), 0.25) << "nor does the direction";
  // medians of 3: one interruption is no drift
  EXPECT_EQ(ClockDrift({100, 900, 100, 100, 100, 100, 100, 100, 500}), 0);
}

TEST(SteadyLatencyClockTest, ItsSpinTakesTime) {
  const LatencyClock clock = SteadyLatencyClock();
  const int64_t before = clock.now_ns();
  clock.spin();
  EXPECT_GT(clock.now_ns(), before + 100'000) << "6 million dependent additions";
}

TEST(CpuListTest, JoinsNeighbours) {
  EXPECT_EQ(CpuListText({}), "");
  EXPECT_EQ(CpuListText({3}), "3");
  EXPECT_EQ(CpuListText({0, 1}), "0-1");
  EXPECT_EQ(CpuListText({0, 1, 2, 5, 7, 8}), "0-2,5,7-8");
  EXPECT_NE(UsableCpus(), "");
}

TEST(RandomWeightsTest, MakeAModelOfTheGeometry) {
  const vit::VitConfig config = testing::TinyConfig(true);
  const vit::TensorMap tensors = RandomWeights(config, 3, 2);
  EXPECT_TRUE(vit::CheckParameters(config, tensors).ok());
  EXPECT_THAT(vit::ToFloats(tensors.at("blocks.1.norm2.weight")), Each(1.0F));
  EXPECT_THAT(vit::ToFloats(tensors.at("norm.bias")), Each(0.0F));
  double squares = 0;
  const std::vector<float> weight = vit::ToFloats(tensors.at("blocks.0.mlp.fc1.weight"));
  for (const float value : weight) {
    EXPECT_LE(std::abs(value), 0.04F);
    squares += static_cast<double>(value) * value;
  }
  // a normal cut at two deviations has 0.88 of its deviation: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)) = 0.8796
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(weight.size())), 0.0176, 0.002);
}

TEST(RandomWeightsTest, DependOnTheSeedAndNotOnThreads) {
  const vit::VitConfig config = testing::TinyConfig();
  const auto floats = [&](uint64_t seed, int threads) {
    return vit::ToFloats(RandomWeights(config, seed, threads).at("blocks.0.attn.qkv.weight"));
  };
  EXPECT_EQ(floats(0, 1), floats(0, 3));
  EXPECT_NE(floats(0, 1), floats(1, 1));
}

}  // namespace
}  // namespace ptq::experiments
