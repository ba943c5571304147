#!/bin/sh
# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
exec "$1" --seconds=10
