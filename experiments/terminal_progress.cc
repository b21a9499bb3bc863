#include "experiments/terminal_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>

namespace ptq::experiments {
namespace {

std::atomic<int> stop_signals{0};

extern "C" void OnStop(int) {
  if (stop_signals.fetch_add(1) >= 1) {
    _exit(130);
  }
}

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  char text[32];
  if (whole >= 3600) {
    std::snprintf(text, sizeof(text), "%lldh%02lldm", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60));
  } else {
    std::snprintf(text, sizeof(text), "%lldm%02llds", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return text;
}

size_t TerminalWidth() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 100;
}

}  // namespace

void InstallStopHandler() {
  struct sigaction action {};
  action.sa_handler = OnStop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool StopRequested() { return stop_signals.load() > 0; }

void TerminalProgress::SetTask(const std::string& task) { task_ = task; }

void TerminalProgress::Begin(const std::string& label, int64_t total) {
  label_ = label;
  total_ = std::max<int64_t>(total, 1);
  done_ = 0;
  start_ = Clock::now();
  drawn_ = start_;
}

void TerminalProgress::Advance(int64_t steps) {
  done_ = std::min(total_, done_ + steps);
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto interval = terminal ? std::chrono::milliseconds(100) : std::chrono::seconds(10);
  if (Clock::now() - drawn_ >= interval) {
    Draw(false);
  }
}

void TerminalProgress::End() { Draw(true); }

void TerminalProgress::Draw(bool last) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  drawn_ = Clock::now();
  const double elapsed = std::chrono::duration<double>(drawn_ - start_).count();
  const double fraction = static_cast<double>(done_) / static_cast<double>(total_);
  const std::string time =
      last ? "took " + Duration(elapsed) : "ETA " + (done_ == 0 ? "?" : Duration(elapsed * (1 - fraction) / fraction));
  const std::string counts = std::to_string(done_) + "/" + std::to_string(total_);
  if (!terminal) {
    std::fprintf(stderr, "%s: %s %s, %s\n", task_.c_str(), label_.c_str(), counts.c_str(), time.c_str());
    return;
  }
  constexpr size_t kBar = 20;
  const auto filled = static_cast<size_t>(fraction * kBar);
  std::string line = task_ + "  " + label_ + " [" + std::string(filled, '#') + std::string(kBar - filled, '.') + "] " +
                     counts + "  " + time;
  line = line.substr(0, TerminalWidth() - 1);
  std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace ptq::experiments
