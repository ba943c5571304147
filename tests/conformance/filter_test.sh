#!/bin/bash
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
#     filter_test.sh PROGRAM...
#
# Each PROGRAM of the suite, asked as Bazel's --test_filter asks, runs one
# clause and no more, by its short name and by its full one.
fail() {
  echo "FAILED: $*"
  exit 1
}

for program in "$@"; do
  suite=$("$program" --describe | sed -n 's/^{"suite": "\(.*\)",$/\1/p')
  [[ -n $suite ]] || fail "$program has no name"
  for filter in 'Ex03*' "$suite/Ex03*"; do
    said=$(TESTBRIDGE_TEST_ONLY=$filter "$program" --log_level=test_suite 2>&1) ||
      fail "$program fails with $filter: $said"
    cases=$(grep -c 'Entering test case' <<< "$said")
    of_clause=$(grep -c 'Entering test case "Ex03_' <<< "$said")
    ((cases > 0 && cases == of_clause)) ||
      fail "$program ran $cases cases, $of_clause of $filter"
  done
  # Another test of the same command may have it.
  said=$(TESTBRIDGE_TEST_ONLY='Zz99*' "$program" 2>&1) ||
    fail "$program fails for want of Zz99"
  grep -q 'no test cases matching' <<< "$said" || fail "$program says: $said"
  # By hand, it is a mistake.
  ! "$program" --run_test="$suite/Zz99*" > /dev/null 2>&1 ||
    fail "$program passes without a case"
done
