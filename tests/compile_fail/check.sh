#!/usr/bin/env bash
# check.sh COMPILER SNIPPET [flags...]: passes when the snippet compiles as it is and does not compile with
# -DCASC_MUST_NOT_COMPILE, for the reason that its "// expect:" line names (an extended regular expression over what
# the compiler says). The first half keeps a snippet from failing for the wrong reason, such as a renamed header.
set -euo pipefail
compiler=$1 snippet=$2
shift 2

expected=$(sed -n 's|^// expect: ||p' "$snippet")
[[ -n $expected ]] || { echo "$snippet has no '// expect:' line"; exit 1; }

compile() { "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wconversion -Werror "$@" "$snippet" 2>&1; }

if ! output=$(LC_ALL=C compile "$@"); then
    printf 'the snippet must compile without CASC_MUST_NOT_COMPILE, but:\n%s\n' "$output"
    exit 1
fi
if output=$(LC_ALL=C compile "$@" -DCASC_MUST_NOT_COMPILE); then
    echo "it compiles, and must not"
    exit 1
fi
if ! grep -Eq "$expected" <<<"$output"; then
    printf 'it does not compile, but not because of /%s/:\n%s\n' "$expected" "$output"
    exit 1
fi
