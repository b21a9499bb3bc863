#!/usr/bin/env bash
# Fuzzes the readers of foreign bytes with libFuzzer and AddressSanitizer.
#   scripts/fuzz.sh [SECONDS] [TARGET...]     default: 120 seconds each of safetensors pth spec image
# A finding is written to the current folder by libFuzzer and ends the script with its exit code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds="${1:-120}"
shift || true
targets=("$@")
((${#targets[@]})) || targets=(safetensors pth spec image)
compiler=""
for candidate in clang++-14 clang++; do command -v "$candidate" >/dev/null && compiler="$candidate" && break; done
[[ -n $compiler ]] || { echo "fuzz.sh: needs clang++; apt-get install clang-14 libclang-rt-14-dev" >&2; exit 3; }
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

base=(core/base/error.cc core/base/nearest_name.cc core/base/random.cc)
vit=(core/vit/config.cc core/vit/op.cc core/vit/parameters.cc core/vit/tensor_map.cc)
declare -A sources=(
  [safetensors]="tests/fuzz/safetensors_fuzz.cc data/weights/safetensors*.cc data/weights/byte_source.cc data/files/file_io.cc"
  [pth]="tests/fuzz/pth_fuzz.cc data/weights/pth.cc data/weights/pickle*.cc data/weights/stored_zip.cc data/weights/byte_source.cc data/files/file_io.cc"
  [seeds]="tests/fuzz/weight_seeds.cc data/weights/*.cc data/files/file_io.cc"
  [spec]="tests/fuzz/spec_fuzz.cc experiments/spec*.cc data/catalog/*.cc core/method/parameters.cc core/method/scheme.cc core/quant/quant_params.cc core/quant/reference.cc data/images/preprocess.cc data/images/resample.cc data/files/file_io.cc"
  [image]="tests/fuzz/image_fuzz.cc data/images/decode.cc data/images/jpeg.cc data/images/png.cc data/images/orientation.cc data/files/file_io.cc"
)
declare -A libraries=(
  [safetensors]="" [pth]="-lzip" [spec]="-ltomlplusplus -lfmt" [image]="-lturbojpeg -lpng -lexif"
)
flags=(-std=c++17 -O1 -g -I. -DTOML_HEADER_ONLY=0)

# Seeds, without which a fuzzer does not get past the first bytes of a zip or a picture.
mkdir -p "$work"/corpus/{safetensors,pth,spec,image}
# shellcheck disable=SC2086
"$compiler" "${flags[@]}" ${sources[seeds]} "${base[@]}" "${vit[@]}" -lzip -o "$work/weight_seeds"
"$work/weight_seeds" "$work/corpus"
cp experiments/*.toml data/*.toml "$work/corpus/spec"
cp tests/fuzz/image_seeds/* "$work/corpus/image"

for target in "${targets[@]}"; do
  [[ -n ${sources[$target]:-} ]] || { echo "fuzz.sh: no target '$target'; there are: ${!sources[*]}" >&2; exit 2; }
  # shellcheck disable=SC2086
  "$compiler" "${flags[@]}" -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    ${sources[$target]} "${base[@]}" "${vit[@]}" ${libraries[$target]} -o "$work/$target"
  echo "fuzz.sh: $target for $seconds s" >&2
  "$work/$target" -max_total_time="$seconds" -rss_limit_mb=4096 -malloc_limit_mb=2048 -timeout=20 -print_final_stats=1 "$work/corpus/$target"
done
