#!/bin/bash
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
#     names_the_clause_test.sh CLAUSE FILTER HEALTHY FAULTY
#
# Runs the cases in FILTER with two programs of the conformance suite. HEALTHY
# has to pass; FAULTY has to fail, and to say which CLAUSE it breaks.
clause=$1 filter=$2 healthy=$3 faulty=$4

if ! "$healthy" --run_test="$filter"; then
  echo "FAILED: $healthy does not pass"
  exit 1
fi
# What is lost is not waited for as long as usual.
if said=$(QIO_CONFORMANCE_SECONDS_MAX=3 "$faulty" --run_test="$filter" 2>&1); then
  echo "FAILED: nobody notices the fault in $faulty"
  exit 1
fi
printf '%s\n' "$said"
if ! grep -q -e "$clause" <<< "$said"; then
  echo "FAILED: it does not name $clause"
  exit 1
fi
