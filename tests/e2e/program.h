// program.h: runs the shipped `ptqbench` binary as a user would and catches what it prints.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ptq::e2e {

struct Outcome {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out, err;
  int64_t peak_rss_bytes = 0;
};

// The runfiles folder that serves as --home: declarations, embedded weights, experiments.
std::string Home();

// A fresh folder under the test's temporary one.
std::string FreshFolder(const std::string& name);

// Runs `ptqbench ARGS... --home Home()`; waits.
Outcome RunProgram(const std::vector<std::string>& args);

// Starts it; the caller signals and waits.
class Running {
 public:
  explicit Running(const std::vector<std::string>& args);
  ~Running();
  void Signal(int signal) const;
  // Waits for the end.
  Outcome Wait();

 private:
  pid_t pid_ = -1;
  std::string out_path_, err_path_;
};

std::string ReadText(const std::string& path);
void WriteText(const std::string& path, const std::string& text);

// The rows of a query, columns joined by '|', NULL as "NULL"; fails the test where SQLite refuses.
std::vector<std::string> Query(const std::string& database, const std::string& sql);

// What a results file holds, times and hosts left out: keys, outcomes, every operand, every note, every prediction.
std::string StoredContent(const std::string& database);

}  // namespace ptq::e2e
