// Two hundred deaths of the shipped binary in the middle of a sweep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <random>
#include <thread>

#include "tests/e2e/program.h"
#include "tests/e2e/small_data.h"

namespace ptq::e2e {
namespace {

constexpr int kKills = 200;
constexpr int kTrials = 5;  // of the small spec with one seed
constexpr int kLanes = 2;   // sweeps side by side, each on its own file

class KillTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = FreshFolder("kill");
    datasets_ = WriteSmallData(folder_);
    spec_ = WriteSmallSpec(folder_, "[0]");
  }
  std::vector<std::string> Args(const std::string& database) const {
    return {"run", spec_, "--datasets", datasets_, "--data-root", folder_, "--db", database, "--threads", "1"};
  }
  std::string folder_, datasets_, spec_;
};

// Nothing of a sweep may be lost, doubled or half there, whatever moment it dies at; whatever came through is kept.
void ExpectWhole(const std::string& database, int64_t& done) {
  if (!std::filesystem::exists(database) || Query(database, "SELECT count(*) FROM sqlite_master")[0] == "0") {
    EXPECT_EQ(done, 0);  // killed before the schema was there
    return;
  }
  const int64_t now = std::stoll(Query(database, "SELECT count(*) FROM trial")[0]);
  EXPECT_GE(now, done);
  EXPECT_EQ(Query(database, "PRAGMA integrity_check")[0], "ok");
  EXPECT_EQ(Query(database, "SELECT count(DISTINCT trial_key) FROM trial")[0], std::to_string(now));
  EXPECT_EQ(Query(database, "SELECT count(*) FROM prediction")[0], std::to_string(100 * now));
  done = now;
}

TEST_F(KillTest, TwoHundredKillsEndInTheContentOfAnUndisturbedRun) {
  const std::string undisturbed = folder_ + "/undisturbed.sqlite";
  const Outcome whole = RunProgram(Args(undisturbed));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(RunProgram(Args(undisturbed)).exit_code, 0);  // measures nothing: what a start takes on this machine now
  const double start = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double seconds = 3 * start;  // a resumed sweep dies at every stage all the same
  const std::string expected = StoredContent(undisturbed);
  std::vector<int> sweeps(kLanes), midway(kLanes);
  const auto lane = [&](int number) {
    std::mt19937 random(static_cast<unsigned>(number));
    std::uniform_real_distribution<double> moment(0, seconds);
    int64_t done = 0;
    std::string database;
    for (int kills = 0; kills < kKills / kLanes;) {
      if (database.empty()) {
        database = folder_ + "/" + std::to_string(number) + "_" + std::to_string(sweeps[number]++) + ".sqlite";
        done = 0;
      }
      Running running(Args(database));
      usleep(static_cast<useconds_t>(1e6 * moment(random)));
      running.Signal(SIGKILL);
      const Outcome outcome = running.Wait();
      kills += outcome.exit_code == 128 + SIGKILL ? 1 : 0;
      EXPECT_TRUE(outcome.exit_code == 128 + SIGKILL || outcome.exit_code == 0) << outcome.err;
      ExpectWhole(database, done);
      midway[number] += done > 0 && done < kTrials ? 1 : 0;
      if (done == kTrials) {
        EXPECT_EQ(StoredContent(database), expected);
        database.clear();
      }
    }
    if (!database.empty()) {
      const Outcome rest = RunProgram(Args(database));
      EXPECT_EQ(rest.exit_code, 0) << rest.err;
      EXPECT_EQ(StoredContent(database), expected);
    }
  };
  std::vector<std::thread> lanes;
  for (int number = 0; number < kLanes; ++number) {
    lanes.emplace_back(lane, number);
  }
  for (std::thread& thread : lanes) {
    thread.join();
  }
  int total = 0, inside = 0;
  for (int number = 0; number < kLanes; ++number) {
    total += sweeps[number];
    inside += midway[number];
  }
  std::printf("%d kills over %d sweeps within %.1f s of their start, %d of them with some trials done\n", kKills, total,
              seconds, inside);
  EXPECT_GT(inside, kKills / 10) << "most kills came too early or too late to test anything";
}

}  // namespace
}  // namespace ptq::e2e
