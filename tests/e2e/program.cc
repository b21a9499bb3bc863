#include "tests/e2e/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace ptq::e2e {
namespace {

namespace fs = std::filesystem;

std::string ProgramPath() { return Home() + "/experiments/ptqbench"; }

}  // namespace

std::string Home() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  return std::string(runfiles == nullptr ? "." : runfiles) + "/" + (workspace == nullptr ? "ptqbench" : workspace);
}

std::string FreshFolder(const std::string& name) {
  const fs::path folder = fs::path(::testing::TempDir()) / ("e2e_" + name + "_" + std::to_string(getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder.string();
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteText(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

Running::Running(const std::vector<std::string>& args) {
  static std::atomic<int> number{0};
  const std::string stem = ::testing::TempDir() + "/run_" + std::to_string(getpid()) + "_" + std::to_string(number++);
  out_path_ = stem + ".out";
  err_path_ = stem + ".err";
  std::vector<std::string> words = {ProgramPath()};
  words.insert(words.end(), args.begin(), args.end());
  words.insert(words.end(), {"--home", Home(), "--allow-dirty"});
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    const int out = open(out_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err = open(err_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
}

Running::~Running() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Running::Signal(int signal) const { kill(pid_, signal); }

Outcome Running::Wait() {
  int status = 0;
  rusage usage{};
  wait4(pid_, &status, 0, &usage);
  pid_ = -1;
  Outcome outcome;
  outcome.peak_rss_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.out = ReadText(out_path_);
  outcome.err = ReadText(err_path_);
  return outcome;
}

Outcome RunProgram(const std::vector<std::string>& args) { return Running(args).Wait(); }

std::vector<std::string> Query(const std::string& database, const std::string& sql) {
  std::vector<std::string> rows;
  sqlite3* connection = nullptr;
  EXPECT_EQ(sqlite3_open_v2(database.c_str(), &connection, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK) << database;
  sqlite3_busy_timeout(connection, 10000);  // a running program may be creating its tables
  sqlite3_stmt* statement = nullptr;
  EXPECT_EQ(sqlite3_prepare_v2(connection, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
      << sqlite3_errmsg(connection);
  while (statement != nullptr && sqlite3_step(statement) == SQLITE_ROW) {
    std::string row;
    for (int c = 0; c < sqlite3_column_count(statement); ++c) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, c));
      row += (c == 0 ? "" : "|") + std::string(text == nullptr ? "NULL" : text);
    }
    rows.push_back(row);
  }
  sqlite3_finalize(statement);
  sqlite3_close(connection);
  return rows;
}

std::string StoredContent(const std::string& database) {
  std::string text;
  for (const char* sql :
       {"SELECT trial_key, status, model, method, w_bits, a_bits, seed, top1_fraction, float_top1_fraction, size_bytes "
        "FROM v_trial ORDER BY trial_key",
        "SELECT t.trial_key, o.op, o.side, o.grid, o.num_bits, hex(o.scale), hex(o.zero_point) FROM operand o "
        "JOIN trial t ON t.id = o.trial_id ORDER BY 1, 2, 3",
        "SELECT t.trial_key, n.name, n.value FROM note n JOIN trial t ON t.id = n.trial_id ORDER BY 1, 2",
        "SELECT t.trial_key, c.position, c.image_id FROM calibration_image c JOIN trial t ON t.id = c.trial_id "
        "ORDER BY 1, 2",
        "SELECT t.trial_key, p.position, p.top1, p.top2, p.top3, p.top4, p.top5 FROM prediction p "
        "JOIN trial t ON t.id = p.trial_id ORDER BY 1, 2"}) {
    for (const std::string& row : Query(database, sql)) text += row + "\n";
  }
  return text;
}

}  // namespace ptq::e2e
