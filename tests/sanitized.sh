#!/usr/bin/env bash
# Runs the tests of the kernels with every access to memory and every undefined operation checked:
#     bash tests/sanitized.sh [arguments for pytest]
# Builds the kernels with gcc's sanitizers in a copy of the checkout. PYTHON names an interpreter
# that has the packages for the tests, Cython and setuptools.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$root/.venv-test/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -R "$root"/{crmcore,tests,setup.py,pyproject.toml,README.md,LICENSE} "$work"
cd "$work"
rm -f crmcore/kernels/compiled/*.{so,c}
checks="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
CC=gcc CFLAGS="-O1 -g $checks" LDFLAGS="$checks" "$python" setup.py -q build_ext --inplace >build.log 2>&1 ||
    { cat build.log; exit 1; }

export PYTHONPATH=$work:$work/tests PYTHONMALLOC=malloc CRMCORE_KERNELS=compiled
export UBSAN_OPTIONS=print_stacktrace=1
libraries=$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)

# Leaks are looked for when all is done. The interpreter keeps much to its end, so that only what
# a kernel took by itself (the first two frames of a leak) is one of ours.
tested() {
    LD_PRELOAD=$libraries \
        ASAN_OPTIONS=detect_leaks=1:exitcode=0:log_path=$work/report \
        "$python" -m pytest -q -p no:cacheprovider "$@"
}
ours() {
    awk '/leak of/ { leak = $0 } /^ *#[01] / && /kernels\/compiled\// { print leak; print }' "$@"
}

status=0
tested tests/property/test_kernels*.py tests/unit/test_kernels*.py "$@" || status=$?
found=$(grep -lE 'ERROR: AddressSanitizer|runtime error' report.* 2>/dev/null || true)
[[ -z $found ]] || { cat $found; status=1; }
leaks=$(ours report.* 2>/dev/null || true)
[[ -z $leaks ]] || { printf 'Leaks:\n%s\n' "$leaks"; status=1; }
printf 'Kernels with address and undefined-behaviour checks: %s\n' \
    "$([[ $status == 0 ]] && echo 'nothing found' || echo FAILED)"
exit "$status"
