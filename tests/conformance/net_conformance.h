// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0
//
// qio/conformance/net_conformance.h
//
// The part of the suite that is about the network: what channels and listeners
// promise on an executor. A test is the same as that of conformance.h:
//
//   int main(int argc, char** argv) {
//     return qio::conformance::NetMain<UvHarness>(argc, argv);
//   }

#ifndef QIO_TESTS_CONFORMANCE_NET_CONFORMANCE_H_
#define QIO_TESTS_CONFORMANCE_NET_CONFORMANCE_H_

#include "qio/conformance/channel_cases.h"
#include "qio/conformance/listener_cases.h"
#include "qio/conformance/suite.h"

namespace qio::conformance {

template <class Harness>
int NetMain(int argc, char** argv) {
  Suite suite{Harness::kName, Harness::Exemptions(), {}};
  AddListenerCases<Harness>(suite);
  AddChannelCases<Harness>(suite);
  return suite.Main(argc, argv);
}

}  // namespace qio::conformance

#endif  // QIO_TESTS_CONFORMANCE_NET_CONFORMANCE_H_
