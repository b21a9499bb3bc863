#!/usr/bin/env bash
# page_test.sh WRITE_SAMPLE_PAGE PAGE_TEST_PY: the sample's page and an empty one in a browser.
set -euo pipefail
missing=()
[[ -x /usr/bin/chromium ]] || missing+=(chromium)
[[ -x /usr/bin/chromedriver ]] || missing+=(chromium-driver)
/usr/bin/python3 -c 'import selenium' 2>/dev/null || missing+=(python3-selenium)
if ((${#missing[@]} > 0)); then
  echo "page_test: the page is tested in a browser, and it lacks: ${missing[*]}; sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
export HOME="$TEST_TMPDIR"
page="$TEST_TMPDIR/sample.html"
empty="$TEST_TMPDIR/empty.html"
"$1" "$page" "$empty"
exec /usr/bin/python3 "$2" "$page" "$empty" "${TEST_UNDECLARED_OUTPUTS_DIR:-$TEST_TMPDIR}"
