#!/usr/bin/env bash
# Everything that must hold before a commit: format, layering, sizes, specs, tests.
#   scripts/check.sh          all of it
#   scripts/check.sh --fast   without building: format, layering, sizes (under 10 s)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0
fault() { echo "check.sh: $*" >&2; failed=1; }

# --- format: one version, so that it cannot drift
clang_format=""
for candidate in clang-format-14 clang-format; do
  if command -v "$candidate" >/dev/null && "$candidate" --version | grep -q 'version 14\.'; then
    clang_format="$candidate"
    break
  fi
done
mapfile -t sources < <(git ls-files '*.h' '*.cc')
if [[ -z $clang_format ]]; then
  fault "clang-format 14 is not installed; apt-get install clang-format-14"
elif ! "$clang_format" --dry-run -Werror "${sources[@]}" 2>/tmp/ptqbench_format.$$; then
  grep -o '^[^:]*' /tmp/ptqbench_format.$$ | sort -u | while read -r f; do echo "check.sh: $f is not formatted; $clang_format -i $f" >&2; done
  failed=1
fi
rm -f /tmp/ptqbench_format.$$

# --- layering: what each room may include (docs/architecture.md)
includes() { git grep -hoE '^#include "[^"]+"' -- "$1" | sed 's/#include "//; s/"$//'; }
forbid() {  # forbid FOLDER PATTERN REASON
  local hits
  hits="$(git grep -nE "^#include [\"<]($2)" -- "$1" || true)"
  [[ -z $hits ]] || fault "$1 must not include $2 ($3):"$'\n'"$hits"
}
order=(base quant vit calib method search allocate liu exec)
for ((i = 0; i < ${#order[@]}; i++)); do
  for ((j = i + 1; j < ${#order[@]}; j++)); do
    forbid "core/${order[i]}/" "core/${order[j]}/" "it stands to the right"
  done
done
forbid "core/" "(baselines|data|results|experiments|tests)/|toml|sqlite" "core knows tensors and plans only"
forbid "core/base/" "ATen|torch|c10" "no LibTorch"
forbid "baselines/" "(data|results|experiments|tests)/" "a method answers, the harness measures"
forbid "data/" "core/(quant|calib|method|search|allocate|liu|exec)/|(baselines|results|experiments)/" "data knows geometry and weights only" 
forbid "results/" "core/(quant|vit|calib|method|exec)/|(baselines|data|experiments)/|ATen|torch|c10" "results knows the store only"
for folder in baselines/*/; do
  name="$(basename "$folder")"
  others="$(includes "$folder" | grep '^baselines/' | grep -v "^baselines/$name/" || true)"
  [[ -z $others ]] || fault "$folder includes another baseline: $others"
done
torch_headers="$(git grep -lE '^#include <torch/' -- '*.h' || true)"
[[ -z $torch_headers ]] || fault "headers that include torch/ make every user pay for it: $torch_headers"

# --- places and sizes
stray="$(git ls-files | grep / | cut -d/ -f1 | sort -u | grep -vxE 'experiments|baselines|core|data|results|scripts|tests|third_party|docs|\.ci' || true)"
[[ -z $stray ]] || fault "a top-level folder that is no room of the house: $stray"
homeless="$(git ls-files | grep -E '(^|/)(utils?|common|helpers?|misc)(\.|/|$)' || true)"
[[ -z $homeless ]] || fault "name the room instead: $homeless"
for source in "${sources[@]}"; do
  lines="$(wc -l <"$source")"
  if ((lines > 600)); then fault "$source has $lines lines; split it before 600"; fi
done
for source in core baselines data results experiments; do
  while read -r header; do
    lines="$(wc -l <"$header")"
    if ((lines > 150)) && [[ $header != results/store.h ]]; then echo "check.sh: note: $header has $lines lines (150 is the aim)" >&2; fi
  done < <(git ls-files "$source/*.h" "$source/**/*.h")
done

if [[ "${1:-}" != --fast ]]; then
  ./bazelw build //...
  for spec in experiments/*.toml; do bazel-bin/experiments/ptqbench check "$spec" || fault "$spec has faults"; done
  ./bazelw test //... || fault "tests failed"
fi
((failed == 0)) && echo "check.sh: all good" >&2
exit "$failed"
