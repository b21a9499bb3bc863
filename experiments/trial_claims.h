// trial_claims.h: which process measures which trial, so that two on one results file do nothing twice.
//
// Locks of single bytes in the file "<database>.claims", one for each trial key.  The system lets go of them when the
// process ends in any way, so that a killed run leaves none behind.
#pragma once

#include <string>

#include "core/base/error.h"

namespace ptq::experiments {

class TrialClaims {
 public:
  // Makes the file where it is absent.  Errors: Io.
  static Result<TrialClaims> Open(const std::string& path);
  TrialClaims(TrialClaims&& other) noexcept;
  TrialClaims& operator=(TrialClaims&& other) noexcept;
  ~TrialClaims();

  // False: another process has it.  Asking again for one's own is true.  key: lower-case hex, 16 digits or more.
  // Errors: Io (the file system has no locks).
  Result<bool> Claim(const std::string& key);
  void Release(const std::string& key);

 private:
  TrialClaims(std::string path, int file) : path_(std::move(path)), file_(file) {}
  std::string path_;
  int file_ = -1;
};

}  // namespace ptq::experiments
