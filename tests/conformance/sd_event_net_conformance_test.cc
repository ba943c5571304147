// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#include "qio/conformance/net_conformance.h"
#include "qio/conformance/sd_event_harness.h"

int main(int argc, char** argv) {
  return qio::conformance::NetMain<qio::conformance::SdEventHarness>(argc,
                                                                     argv);
}
