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

double Fraction(const ProgressState& state) {
  return static_cast<double>(state.done) / static_cast<double>(state.total);
}

// "search blocks.3.mlp.fc1"; a stage that is over works on nothing any more.
std::string Label(const ProgressState& state) {
  return state.label + (state.detail.empty() || state.ended ? "" : " " + state.detail);
}

std::string Time(const ProgressState& state) {
  if (state.ended) {
    return "took " + Duration(state.elapsed_seconds);
  }
  const double fraction = Fraction(state);
  return "ETA " + (state.done == 0 ? "?" : Duration(state.elapsed_seconds * (1 - fraction) / fraction));
}

std::string Counts(const ProgressState& state) {
  return std::to_string(state.done) + "/" + std::to_string(state.total);
}

}  // namespace

std::string ProgressLine(const ProgressState& state) {
  return state.task + ": " + Label(state) + " " + Counts(state) + ", " + Time(state);
}

std::string ProgressBar(const ProgressState& state, size_t width) {
  constexpr size_t kBar = 20;
  const auto filled = static_cast<size_t>(Fraction(state) * kBar);
  const std::string rest = "  " + Label(state) + " [" + std::string(filled, '#') + std::string(kBar - filled, '.') +
                           "] " + Counts(state) + "  " + Time(state);
  const size_t room = width - std::min(width, rest.size());
  const std::string task =
      state.task.size() <= room || room < 2 ? state.task.substr(0, room) : state.task.substr(0, room - 2) + "..";
  return (task + rest).substr(0, width);
}

void InstallStopHandler() {
  struct sigaction action {};
  action.sa_handler = OnStop;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool StopRequested() { return stop_signals.load() > 0; }

void TerminalProgress::SetTask(const std::string& task) { state_.task = task; }

void TerminalProgress::Begin(const std::string& label, int64_t total) {
  state_.label = label;
  state_.detail.clear();
  state_.total = std::max<int64_t>(total, 1);
  state_.done = 0;
  start_ = Clock::now();
  drawn_ = start_;
}

void TerminalProgress::Advance(int64_t steps) {
  state_.done = std::min(state_.total, state_.done + steps);
  DrawIfDue();
}

void TerminalProgress::Detail(const std::string& detail) {
  state_.detail = detail;
  DrawIfDue();
}

void TerminalProgress::DrawIfDue() {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  const auto interval = terminal ? std::chrono::milliseconds(100) : std::chrono::seconds(10);
  if (Clock::now() - drawn_ >= interval) {
    Draw(false);
  }
}

void TerminalProgress::End() { Draw(true); }

void TerminalProgress::Draw(bool last) {
  drawn_ = Clock::now();
  state_.elapsed_seconds = std::chrono::duration<double>(drawn_ - start_).count();
  state_.ended = last;
  if (isatty(STDERR_FILENO) == 0) {
    std::fprintf(stderr, "%s\n", ProgressLine(state_).c_str());
    return;
  }
  std::fprintf(stderr, "\r\033[K%s%s", ProgressBar(state_, TerminalWidth() - 1).c_str(), last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace ptq::experiments
