#!/usr/bin/env bash
# Started by `bazel run //experiments:NAME -- FLAGS`: runs the experiment of that name in the caller's checkout.
set -euo pipefail
program="$PWD/$1"
name="$2"
shift 2
exec "$program" run "$name" --home "${BUILD_WORKSPACE_DIRECTORY:-$PWD}" "$@"
