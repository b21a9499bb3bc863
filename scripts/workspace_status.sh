#!/usr/bin/env bash
# What Bazel stamps into ptqbench: the commit of the tree, and whether sources differ from it.  Prints nothing where the
# tree is no git checkout.  Documents and the declarations that a trial's key covers by content do not count.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 0
commit="$(git rev-parse HEAD 2>/dev/null)" || exit 0
[[ "$(git rev-parse --show-toplevel 2>/dev/null)" == "$PWD" ]] || exit 0
changes="$(git status --porcelain -- baselines core data experiments results third_party WORKSPACE .bazelrc \
  ':!*.md' ':!*.toml' ':!*.csv' 2>/dev/null)"
echo "STABLE_REVISION $commit${changes:+-dirty}"
exit 0
