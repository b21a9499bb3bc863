#!/usr/bin/env bash
# Installs what the build needs and is missing (Debian 12+, Ubuntu 24.04+).  Safe to run again: a machine
# that has everything is left alone, without apt and without root.
#   scripts/setup.sh               install what building needs
#   scripts/setup.sh --test        install what the tests of reports need as well: a browser and LaTeX
#   scripts/setup.sh --check       only list what is missing (exit status 1 when something is)
#   scripts/setup.sh --developer   install what scripts/check.sh and scripts/fuzz.sh need as well
set -euo pipefail

packages=(
  g++ bazel-bootstrap bazel-rules-cc bazel-rules-java
  libtorch-dev libopenblas0-openmp libdnnl-dev
  libtomlplusplus-dev libsqlite3-dev libcli11-dev
  libgtest-dev libgmock-dev libbenchmark-dev libnlopt-dev
  libfmt-dev nlohmann-json3-dev libssl-dev libzip-dev
  libturbojpeg0-dev libpng-dev libexif-dev
  libjs-chart.js
)
for_tests=(chromium chromium-driver python3-selenium texlive-latex-recommended)

if [[ "${1:-}" == --test || "${1:-}" == --developer ]]; then packages+=("${for_tests[@]}"); fi
if [[ "${1:-}" == --developer ]]; then packages+=(git clang-format-14 clang-14 libclang-rt-14-dev); fi

installed() { [[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]; }

if ! command -v dpkg-query >/dev/null; then
  echo "setup.sh: no apt here; install these by hand (Debian's names), then run bazel itself: ${packages[*]}" >&2
  exit 1
fi
missing=()
for p in "${packages[@]}"; do installed "$p" || missing+=("$p"); done
if [[ -n "${LIBTORCH_HOME:-}" ]]; then  # an own LibTorch: the system one is not needed
  keep=(); for p in "${missing[@]}"; do [[ $p == libtorch-dev ]] || keep+=("$p"); done; missing=("${keep[@]}")
fi
if ((${#missing[@]} == 0)); then exit 0; fi
echo "setup.sh: missing: ${missing[*]}" >&2
if [[ "${1:-}" == --check ]]; then exit 1; fi

sudo=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "setup.sh: run as root, or install sudo" >&2; exit 1; }
  sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
