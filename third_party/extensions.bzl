# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
"""What MODULE.bazel calls: there, every library but stdexec is the registry's."""

load(":debian_library.bzl", "optional_libraries")

def _optional_impl(_):
    optional_libraries(
        name = "qio_optional",
        declared = [
            "libevent",
            "libuv",
            "systemd",
        ],
        headers = {"stdexec": "/usr/local/include/stdexec/execution.hpp"},
        packages = {"stdexec": "stdexec"},
    )

optional = module_extension(implementation = _optional_impl)
