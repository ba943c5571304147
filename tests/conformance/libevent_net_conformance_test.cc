// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/conformance/libevent_harness.h"
#include "qio/conformance/net_conformance.h"

int main(int argc, char** argv) {
  return qio::conformance::NetMain<qio::conformance::LibeventHarness>(argc,
                                                                      argv);
}
