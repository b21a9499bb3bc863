#include "experiments/revision.h"

#include <utility>

namespace ptq::experiments {
namespace {

constexpr char kDirty[] = "-dirty";

std::string& Stored() {
  static std::string revision;
  return revision;
}

}  // namespace

const std::string& Revision() { return Stored(); }

void SetRevision(std::string revision) { Stored() = std::move(revision); }

bool IsDirty(const std::string& revision) {
  const std::string suffix = kDirty;
  return revision.size() >= suffix.size() &&
         revision.compare(revision.size() - suffix.size(), suffix.size(), suffix) == 0;
}

Status CheckRevision(const std::string& revision, bool allow_dirty) {
  if (IsDirty(revision) && !allow_dirty) {
    return InvalidArgument("this program was built from sources that no commit has (" + revision +
                           "), so that nobody could build it again; commit them and build again, or give "
                           "--allow-dirty for rows that say so");
  }
  return OkStatus();
}

}  // namespace ptq::experiments
