#!/usr/bin/env bash
# Downloads the data sets and weights that may be downloaded freely, checks their SHA-256 and puts them in place.
# A broken download is continued by the next call.
#   scripts/fetch_data.sh [--data-root DIR] [--mirror URL] [--table FILE] NAME...
#   scripts/fetch_data.sh --list
# --data-root  where to; default data/local of this repository
# --mirror     take every file from URL/<its name> instead of from its publisher
# --table      another table of downloads, lines as in the one below
# Exit status: 0 all is there, 1 a download failed or is damaged, 2 wrong usage, 3 not freely available or a tool missing.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
data_root="$root/data/local"
mirror=""
table=""
deit=https://dl.fbaipublicfiles.com/deit
cifar=https://www.cs.toronto.edu/~kriz

# name, place below the data root (a folder: the archive's own, unpacked), SHA-256 or its first digits as the publisher
# writes them into the file's name, address, what it is
builtin_table() {
  cat <<TABLE
cifar10 cifar-10-batches-bin/ c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd $cifar/cifar-10-binary.tar.gz CIFAR-10, binary version, 170 MB
cifar100 cifar-100-binary/ 58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec $cifar/cifar-100-binary.tar.gz CIFAR-100, binary version, 169 MB
deit_tiny_patch16_224 models/deit_tiny_patch16_224.pth a1311bcf $deit/deit_tiny_patch16_224-a1311bcf.pth DeiT-Ti, 5.7 M parameters
deit_small_patch16_224 models/deit_small_patch16_224.pth cd65a155 $deit/deit_small_patch16_224-cd65a155.pth DeiT-S, 22 M parameters
deit_base_patch16_224 models/deit_base_patch16_224.pth b5f2ef4d $deit/deit_base_patch16_224-b5f2ef4d.pth DeiT-B, 86 M parameters
deit_base_patch16_384 models/deit_base_patch16_384.pth 8de9b5d1 $deit/deit_base_patch16_384-8de9b5d1.pth DeiT-B for 384 pixels
deit_tiny_distilled_patch16_224 models/deit_tiny_distilled_patch16_224.pth b40b3cf7 $deit/deit_tiny_distilled_patch16_224-b40b3cf7.pth DeiT-Ti distilled
deit_small_distilled_patch16_224 models/deit_small_distilled_patch16_224.pth 649709d9 $deit/deit_small_distilled_patch16_224-649709d9.pth DeiT-S distilled
deit_base_distilled_patch16_224 models/deit_base_distilled_patch16_224.pth df68dfff $deit/deit_base_distilled_patch16_224-df68dfff.pth DeiT-B distilled
deit_base_distilled_patch16_384 models/deit_base_distilled_patch16_384.pth d0272ac0 $deit/deit_base_distilled_patch16_384-d0272ac0.pth DeiT-B distilled, for 384 pixels
TABLE
}

say() { echo "fetch_data.sh: $*" >&2; }
die() { local status=$1; shift; say "$*"; exit "$status"; }
rows() { if [[ -n $table ]]; then cat "$table"; else builtin_table; fi; }

imagenet_advice() {
  cat >&2 <<ADVICE
fetch_data.sh: ImageNet may not be downloaded freely.  Register at https://image-net.org and download the validation
pictures of ILSVRC2012 (ILSVRC2012_img_val.tar, 6.3 GB, MD5 29b22e2961454d5413ddabcf34fc5622).  Then either
  mkdir -p $data_root/imagenet_val && tar -xf ILSVRC2012_img_val.tar -C $data_root/imagenet_val
and put beside the pictures the label file that data/datasets.toml names: one class per line, from 0, in the order of
the sorted WordNet ids (not the ids of ILSVRC2012_validation_ground_truth.txt, which count from 1 in another order); or
sort the pictures into one folder per WordNet id (n01440764/...) and declare the kind class_folders.
ADVICE
}

# hash_matches FILE DIGITS: the file's SHA-256 begins with DIGITS.
hash_matches() {
  found_hash="$(sha256sum <"$1")"
  found_hash="${found_hash%% *}"
  [[ $found_hash == "$2"* ]]
}

# download URL FILE DIGITS: FILE is complete and checked afterwards; FILE.part is what a broken download leaves.
download() {
  local url=$1 file=$2 digits=$3 code=0
  if [[ ! -e $file.part ]] || ! hash_matches "$file.part" "$digits"; then
    curl --fail --location --continue-at - --retry 3 --connect-timeout 30 --output "$file.part" "$url" || code=$?
    if ((code == 33 || code == 36)); then  # the server cannot continue a download
      say "$url cannot be continued; starting again"
      rm -f "$file.part"
      code=0
      curl --fail --location --retry 3 --connect-timeout 30 --output "$file.part" "$url" || code=$?
    fi
    if ((code != 0)); then
      say "cannot download $url (curl's status $code); call again to continue, or delete $file.part to start afresh"
      return 1
    fi
    if ! hash_matches "$file.part" "$digits"; then
      rm -f "$file.part"
      say "$url is damaged: its SHA-256 is $found_hash and should begin with $digits; deleted, call again"
      return 1
    fi
  fi
  mv "$file.part" "$file"
}

# unpack ARCHIVE FOLDER: the archive's folder of this name appears whole or not at all.
unpack() {
  local archive=$1 folder=$2 fresh
  fresh="$(mktemp -d "$folder.XXXXXX")"
  if ! tar -xzf "$archive" --no-same-owner -C "$fresh" || [[ ! -d $fresh/${folder##*/} ]]; then
    rm -rf "$fresh"
    say "cannot unpack $archive into $folder"
    return 1
  fi
  mv "$fresh/${folder##*/}" "$folder"
  rmdir "$fresh" 2>/dev/null || rm -rf "$fresh"
  rm -f "$archive"
}

fetch() {
  local name=$1 place=$2 digits=$3 url=$4 target archive
  [[ -z $mirror ]] || url="${mirror%/}/${url##*/}"
  target="$data_root/${place%/}"
  mkdir -p "$(dirname "$target")"
  if [[ $place == */ ]]; then
    if [[ -d $target ]]; then say "$name: already in $target"; return 0; fi
    archive="$data_root/${url##*/}"
    download "$url" "$archive" "$digits" || return 1
    unpack "$archive" "$target" || return 1
  else
    if [[ -e $target ]]; then
      if hash_matches "$target" "$digits"; then say "$name: already in $target"; return 0; fi
      say "$name: $target is another file (SHA-256 $found_hash, should begin with $digits); move it away"
      return 1
    fi
    download "$url" "$target" "$digits" || return 1
  fi
  say "$name: now in $target"
}

names=()
list=0
while (($# > 0)); do
  case $1 in
    --data-root | --mirror | --table)
      (($# >= 2)) || die 2 "$1 wants a value"
      case $1 in --data-root) data_root=$2 ;; --mirror) mirror=$2 ;; --table) table=$2 ;; esac
      shift 2
      ;;
    --list) list=1; shift ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) die 2 "unknown option $1; see --help" ;;
    *) names+=("$1"); shift ;;
  esac
done
[[ -z $table || -r $table ]] || die 2 "cannot read the table $table"

if ((list)); then
  while read -r name place _ _ about; do printf '%-34s %s  (%s)\n' "$name" "$about" "$place"; done < <(rows)
  printf '%-34s %s\n' imagenet "not freely available; prints how to get it"
  exit 0
fi
((${#names[@]} > 0)) || die 2 "name what to fetch; --list shows what there is"

status=0
wanted=()
for name in "${names[@]}"; do
  case $name in
    imagenet*) imagenet_advice; status=3; continue ;;
  esac
  row="$(rows | awk -v name="$name" '$1 == name')"
  [[ -n $row ]] || die 2 "there is no download called '$name'; --list shows what there is"
  wanted+=("$row")
done
for tool in curl sha256sum tar; do
  ((${#wanted[@]} == 0)) || command -v "$tool" >/dev/null || die 3 "the program $tool is missing; install it"
done
for row in ${wanted[@]+"${wanted[@]}"}; do
  read -r name place digits url _ <<<"$row"
  fetch "$name" "$place" "$digits" "$url" || status=1
done
exit "$status"
