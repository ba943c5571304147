// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// The project's own programs under simulated schedules. runner.h has the flags.

#include "qio/simulation/compositions.h"
#include "qio/simulation/posts.h"
#include "qio/simulation/runner.h"
#include "qio/simulation/schedule.h"
#include "qio/simulation/streams.h"
#include "qio/simulation/tasks.h"
#include "qio/simulation/transfer.h"

namespace {

using namespace qio::simulation;

constexpr Scenario kScenarios[] = {
    {"tasks", &Tasks::Options, &Tasks::Run},
    {"compositions", &Compositions::Options, &Compositions::Run},
    {"posts", &Posts::Options, &Posts::Run},
    {"streams", &Streams::Options, &Streams::Run},
    {"transfer", &Transfer::Options, &Transfer::Run},
};

}  // namespace

int main(int argc, char** argv) {
  return RunSchedules(kScenarios, "//tests/simulation:schedules", argc, argv);
}
