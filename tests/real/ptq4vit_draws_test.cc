// PTQ4ViT against its authors' code.  Rounding noise weighs that code's calibration images
// (baselines/ptq4vit/README.md): its run is one draw of a random process, and what it can be held to is the spread of
// our draws.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/real/peers.h"

namespace ptq {
namespace {

constexpr uint64_t kSeeds[] = {1, 2, 3, 4};

class Ptq4VitDrawsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasSharedFolder()) {
      GTEST_SKIP() << kNoSharedFolder;
    }
  }

  static PeerCase Case(int bits, const char* column) {
    return {"Ptq4Vit", "ptq4vit", bits, 32, quant::Granularity::kPerTensor, {}, column};
  }

  void Tell(const std::string& what, const std::string& value) {
    std::cout << what << ": " << value << std::endl;
    RecordProperty(what, value);
  }

  static std::string Text(double value) {
    std::ostringstream text;
    text.precision(4);
    text << value << " %";
    return text.str();
  }
};

// At six bits the draw hardly matters, so that one is as good as the authors'.
TEST_F(Ptq4VitDrawsTest, SixBitsAreAsGoodAsTheAuthors) {
  const PeerCase peer = Case(6, "ptq4vit_PTQ4ViT_w6a6");
  const Result<std::vector<int64_t>> ours = PredictionsOf(peer, kSeeds[0]);
  ASSERT_TRUE(ours.ok()) << ours.error().ToString();
  const Peers& peers = TheShared().peers;
  const Comparison comparison = Compare(*ours, peers.predictions.at(peer.column), peers.labels);
  Tell("W6A6", comparison.ToString());
  EXPECT_GE(comparison.p, 0.05) << comparison.ToString();
}

// At four bits: the authors' accuracy is one that a further draw would have, and their predictions agree with a draw
// about as well as draws agree with each other.
TEST_F(Ptq4VitDrawsTest, FourBitsOfTheAuthorsAreOneMoreDraw) {
  const PeerCase peer = Case(4, "ptq4vit_PTQ4ViT_w4a4");
  const Peers& peers = TheShared().peers;
  const std::vector<int64_t>& theirs = peers.predictions.at(peer.column);
  std::vector<std::vector<int64_t>> draws;
  std::vector<double> accuracies, with_theirs, with_each_other;
  for (const uint64_t seed : kSeeds) {
    const Result<std::vector<int64_t>> ours = PredictionsOf(peer, seed);
    ASSERT_TRUE(ours.ok()) << ours.error().ToString();
    const std::string name = "W4A4_seed_" + std::to_string(seed);
    const Comparison comparison = Compare(*ours, theirs, peers.labels);
    Tell(name, comparison.ToString());
    for (size_t other = 0; other < draws.size(); ++other) {
      with_each_other.push_back(PercentEqual(*ours, draws[other]));
      Tell(name + "_same_as_seed_" + std::to_string(kSeeds[other]), Text(with_each_other.back()));
    }
    accuracies.push_back(comparison.percent_right);
    with_theirs.push_back(comparison.percent_same);
    draws.push_back(*ours);
  }
  const Interval interval = PredictionInterval(accuracies);
  Tell("W4A4_one_more_draw", Text(interval.low) + " to " + Text(interval.high));
  const double official = PercentEqual(theirs, peers.labels);
  EXPECT_GE(official, interval.low);
  EXPECT_LE(official, interval.high);
  // Three points: about twice the standard deviation of a share near 60 % of 1300 images.
  EXPECT_GE(*std::min_element(with_theirs.begin(), with_theirs.end()),
            *std::min_element(with_each_other.begin(), with_each_other.end()) - 3);
}

}  // namespace
}  // namespace ptq
