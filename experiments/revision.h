// revision.h: the state of the source tree that the program was built from.  No LibTorch.
#pragma once

#include <string>

#include "core/base/error.h"

namespace ptq::experiments {

// The commit's hash, with "-dirty" behind it where sources differed from the commit; empty where the tree was no git
// checkout, or nobody has set it.  Stamped into the program alone, so that a commit links nothing else anew: main calls
// SetRevision(StampedRevision()).
const std::string& Revision();
void SetRevision(std::string revision);
std::string StampedRevision();

bool IsDirty(const std::string& revision);

// InvalidArgument for a program built from uncommitted sources, whose numbers nobody could find again, unless allowed.
Status CheckRevision(const std::string& revision, bool allow_dirty);

}  // namespace ptq::experiments
