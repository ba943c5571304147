// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/conformance/net_conformance.h"
#include "qio/conformance/simulated_harness.h"

int main(int argc, char** argv) {
  return qio::conformance::NetMain<qio::conformance::SimulatedHarness>(argc,
                                                                       argv);
}
