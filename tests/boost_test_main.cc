// Copyright 2026 The qio Authors
// SPDX-License-Identifier: Apache-2.0

#define BOOST_TEST_MODULE qio
#include <boost/test/unit_test.hpp>
