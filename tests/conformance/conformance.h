// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/conformance.h
//
// The conformance suite: what an executor, and all that qio builds on one,
// promises, as one case or more for each clause of README.md. To prove an
// executor right, write a harness (harness.h) and a test:
//
//   int main(int argc, char** argv) {
//     return qio::conformance::Main<UvHarness>(argc, argv);
//   }
//
// It takes the arguments of Boost.Test: --run_test='UvExecutor/Ex04*' runs one
// clause, --list_content lists all. --describe tells the report what there is.

#ifndef QIO_TESTS_CONFORMANCE_CONFORMANCE_H_
#define QIO_TESTS_CONFORMANCE_CONFORMANCE_H_

#include "qio/conformance/composition_cases.h"
#include "qio/conformance/executor_cases.h"
#include "qio/conformance/group_cases.h"
#include "qio/conformance/host_cases.h"
#include "qio/conformance/suite.h"
#include "qio/conformance/task_cases.h"
#include "qio/conformance/timer_cases.h"
#include "qio/conformance/watch_cases.h"

namespace qio::conformance {

// What depends on the executor alone. A family that needs more is added by a
// test of its own, to the same executor's column of the report.
template <class Harness>
Suite MakeSuite() {
  Suite suite{Harness::kName, Harness::Exemptions(), {}};
  AddExecutorCases<Harness>(suite);
  AddTaskCases<Harness>(suite);
  AddWatchCases<Harness>(suite);
  AddTimerCases<Harness>(suite);
  AddCompositionCases<Harness>(suite);
  AddGroupCases<Harness>(suite);
  if constexpr (HasNativeCallbacks<Harness>) AddHostCases<Harness>(suite);
  return suite;
}

template <class Harness>
int Main(int argc, char** argv) {
  return MakeSuite<Harness>().Main(argc, argv);
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_CONFORMANCE_H_
