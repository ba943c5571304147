// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/simulation/runner.h
//
// RunSchedules() runs schedules by the flags of a command line:
//
//   --schedules=N    so many, with seeds from --seed on (default: kSchedules)
//   --seed=S         of the first schedule (1)
//   --scenario=NAME  of that scenario alone; else all of them, in turn
//   --trace          prints what happens in each
//
// The first schedule that violates a property, or ends the program, is told
// with the command that runs it again, alone and with its trace. One in 251 is
// run twice, and its two traces have to agree.

#ifndef QIO_TESTS_SIMULATION_RUNNER_H_
#define QIO_TESTS_SIMULATION_RUNNER_H_

#include <span>

#include "qio/simulation/schedule.h"

namespace qio::simulation {

// `target` is what the command runs: "//tests/simulation:schedules". Returns an
// exit code.
int RunSchedules(std::span<const Scenario> scenarios, const char* target,
                 int argc, char** argv);

}  // namespace qio::simulation

#endif  // QIO_TESTS_SIMULATION_RUNNER_H_
