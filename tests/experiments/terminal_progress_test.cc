#include "experiments/terminal_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ptq::experiments {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ProgressState Searching() {
  ProgressState state;
  state.task = "[3/14] m on d, liu W8A8 MP";
  state.label = "search";
  state.detail = "blocks.3.mlp.fc1";
  state.total = 50000;
  state.done = 10000;
  state.elapsed_seconds = 15.5;
  return state;
}

TEST(TerminalProgressTest, LinesSayWhatTheStepWorksOn) {
  ProgressState state = Searching();
  EXPECT_EQ(ProgressLine(state), "[3/14] m on d, liu W8A8 MP: search blocks.3.mlp.fc1 10000/50000, ETA 1m02s");
  state.done = 0;
  EXPECT_EQ(ProgressLine(state), "[3/14] m on d, liu W8A8 MP: search blocks.3.mlp.fc1 0/50000, ETA ?");
  state.detail.clear();
  state.done = 25000;
  state.elapsed_seconds = 3600;
  EXPECT_EQ(ProgressLine(state), "[3/14] m on d, liu W8A8 MP: search 25000/50000, ETA 1h00m");
}

TEST(TerminalProgressTest, AStageThatIsOverWorksOnNothing) {
  ProgressState state = Searching();
  state.done = state.total;
  state.ended = true;
  EXPECT_EQ(ProgressLine(state), "[3/14] m on d, liu W8A8 MP: search 50000/50000, took 0m16s");
}

TEST(TerminalProgressTest, TheBarKeepsTheTimeWhereTheTerminalIsNarrow) {
  const ProgressState state = Searching();
  EXPECT_EQ(ProgressBar(state, 200),
            "[3/14] m on d, liu W8A8 MP  search blocks.3.mlp.fc1 [####................] 10000/50000  ETA 1m02s");
  for (size_t width = 0; width < 120; ++width) {
    EXPECT_LE(ProgressBar(state, width).size(), width);
  }
  EXPECT_EQ(ProgressBar(state, 83),
            "[3/14] m o..  search blocks.3.mlp.fc1 [####................] 10000/50000  ETA 1m02s");
}

TEST(TerminalProgressTest, TheNextStageForgetsTheDetail) {
  TerminalProgress progress;
  progress.SetTask("task");
  ::testing::internal::CaptureStderr();
  progress.Begin("search", 3);
  progress.Detail("blocks.0.attn.qk");
  progress.Advance(3);
  progress.End();
  progress.Begin("evaluate", 2);
  progress.Advance(5);
  progress.End();
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, StartsWith("task: search 3/3, took "));
  EXPECT_THAT(text, HasSubstr("\ntask: evaluate 2/2, took "));
  EXPECT_THAT(text, Not(HasSubstr("attn.qk")));
}

}  // namespace
}  // namespace ptq::experiments
