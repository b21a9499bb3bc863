#!/usr/bin/env bash
# Checks scripts/fetch_data.sh with file:// addresses, so without a network.  Usage: fetch_data_test.sh [SCRIPT]
set -euo pipefail

script="${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/scripts/fetch_data.sh}"
work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/fetch_data_test.XXXXXX")"
trap 'rm -rf "$work"' EXIT
data="$work/data"

# expect STATUS TEXT ARGUMENT...: the script ends with STATUS and its output holds TEXT.
expect() {
  local status=$1 text=$2 code=0
  shift 2
  "$script" --data-root "$data" "$@" >"$work/output" 2>&1 || code=$?
  if ((code != status)) || ! grep -qF -- "$text" "$work/output"; then
    echo "FAILED: fetch_data.sh $*: status $code (expected $status), output without '$text':" >&2
    cat "$work/output" >&2
    exit 1
  fi
}
sha() { sha256sum <"$1" | cut -c "1-$2"; }

mkdir -p "$work/server/pictures" "$work/away"
head -c 300000 /dev/urandom >"$work/server/weights.pth"
echo hello >"$work/server/pictures/a.bin"
tar -C "$work/server" -czf "$work/server/pictures.tar.gz" pictures
cat >"$work/table" <<TABLE
weights models/w.pth $(sha "$work/server/weights.pth" 8) file://$work/server/weights.pth some weights
pictures pictures/ $(sha "$work/server/pictures.tar.gz" 64) file://$work/server/pictures.tar.gz some pictures
damaged models/d.pth 00000000 file://$work/server/weights.pth never right
absent models/a.pth 00000000 file://$work/server/absent.pth never there
misnamed elsewhere/ $(sha "$work/server/pictures.tar.gz" 64) file://$work/server/pictures.tar.gz another folder inside
TABLE
table=(--table "$work/table")

expect 0 "now in $data/models/w.pth" "${table[@]}" weights
cmp "$work/server/weights.pth" "$data/models/w.pth"
expect 0 "already in" "${table[@]}" weights
expect 0 "now in $data/pictures" "${table[@]}" pictures
[[ "$(cat "$data/pictures/a.bin")" == hello && ! -e $data/pictures.tar.gz ]]
expect 0 "already in" "${table[@]}" pictures

# A broken download is continued: the first bytes are kept, so wrong ones there make the hash wrong.
rm "$data/models/w.pth"
head -c 100000 "$work/server/weights.pth" >"$data/models/w.pth.part"
expect 0 "now in" "${table[@]}" weights
cmp "$work/server/weights.pth" "$data/models/w.pth"
rm "$data/models/w.pth"
head -c 100000 /dev/zero >"$data/models/w.pth.part"
expect 1 "is damaged: its SHA-256 is" "${table[@]}" weights
[[ ! -e $data/models/w.pth && ! -e $data/models/w.pth.part ]]
# A whole one that was only not renamed needs no server.
cp "$work/server/weights.pth" "$data/models/w.pth.part"
mv "$work/server/weights.pth" "$work/away/weights.pth"
expect 0 "now in" "${table[@]}" weights

# The rest is fetched although one fails; a wrong file in the place is not overwritten.
echo other >"$data/models/w.pth"
expect 1 "is another file" "${table[@]}" weights
rm "$data/models/w.pth"
expect 0 "now in" "${table[@]}" --mirror "file://$work/away/" weights
expect 1 "cannot download file://$work/server/absent.pth" "${table[@]}" absent weights
grep -qF "weights: already in" "$work/output"
expect 1 "should begin with 00000000" "${table[@]}" --mirror "file://$work/away" damaged
expect 1 "cannot unpack" "${table[@]}" misnamed
[[ ! -e $data/elsewhere ]]

expect 0 "deit_tiny_patch16_224" --list
expect 3 "may not be downloaded freely" imagenet
expect 2 "no download called 'imgnet'" imgnet
expect 2 "unknown option --frobnicate" --frobnicate
expect 2 "name what to fetch"
expect 2 "--mirror wants a value" --mirror
echo "fetch_data_test: all is well"
