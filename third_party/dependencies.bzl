# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
"""The libraries that qio uses, as Debian packages, for a WORKSPACE.

Repositories and labels are those of the Bazel Central Registry, so the same
BUILD files serve WORKSPACE and MODULE.bazel. Add a target here when a BUILD
file first names it. What needs an optional one that is absent is skipped under
"//..."; BUILD files that list it beside others ask @qio_optional.
"""

load(":debian_library.bzl", "debian_library", "optional_libraries")

_BOOST_TEST = "-l:libboost_unit_test_framework.a"

# repository -> arguments of debian_library
_LIBRARIES = {
    "abseil-cpp": {
        "header": "/usr/include/absl/status/statusor.h",
        "package": "libabsl-dev",
        "targets": {
            "absl/base:core_headers": "absl_core_headers",
            "absl/cleanup:cleanup": "absl_cleanup",
            "absl/container:inlined_vector": "absl_inlined_vector",
            "absl/flags:flag": "absl_flags",
            "absl/flags:parse": "absl_flags_parse",
            "absl/functional:any_invocable": "absl_any_invocable",
            "absl/status:status": "absl_status",
            "absl/status:statusor": "absl_statusor",
            "absl/strings:cord": "absl_cord",
            "absl/strings:strings": "absl_strings",
            "absl/time:time": "absl_time",
            "absl/types:optional": "absl_optional",
            "absl/types:span": "absl_span",
        },
    },
    "asio": {
        "header": "/usr/include/asio.hpp",
        "package": "libasio-dev",
        "targets": {":asio": "-pthread"},
    },
    "boost.test": {
        "header": "/usr/include/boost/test/unit_test.hpp",
        "package": "libboost-test-dev",
        "targets": {
            ":boost.test": _BOOST_TEST,
            # As in the registry, main() alone: one source file of the test
            # defines BOOST_TEST_MODULE.
            ":unit_test_main": _BOOST_TEST,
        },
    },
    "glib": {
        "header": "/usr/include/glib-2.0/glib.h",
        "package": "libglib2.0-dev",
        "targets": {
            "gio:gio": "gio-2.0",
            "glib:glib": "glib-2.0",
        },
    },
    "google_benchmark": {
        "header": "/usr/include/benchmark/benchmark.h",
        "package": "libbenchmark-dev",
        "targets": {
            ":benchmark": "benchmark",
            ":benchmark_main": "-lbenchmark_main -lbenchmark -pthread",
        },
    },
    "libevent": {
        "header": "/usr/include/event2/event.h",
        "optional": True,
        "package": "libevent-dev",
        "targets": {
            ":event_core": "libevent_core",
            ":event_pthreads": "libevent_pthreads",
        },
    },
    "libuv": {
        "header": "/usr/include/uv.h",
        "optional": True,
        "package": "libuv1-dev",
        "targets": {":libuv": "libuv"},
    },
    "relacy": {
        "header": "/usr/include/relacy/relacy.hpp",
        "optional": True,
        "package": "relacy-dev",
        "targets": {":relacy": "-pthread"},
    },
    # Debian has no package of it: this looks where one copies its headers to.
    "stdexec": {
        "header": "/usr/local/include/stdexec/execution.hpp",
        "optional": True,
        "package": "stdexec",
        "targets": {":stdexec": "-pthread"},
    },
    "systemd": {
        "header": "/usr/include/systemd/sd-event.h",
        "optional": True,
        "package": "libsystemd-dev",
        "targets": {":libsystemd": "libsystemd"},
    },
}

def qio_dependencies():
    """Declares the libraries, except those that the caller declared before."""
    declared = []
    headers = {}
    packages = {}
    for name, arguments in _LIBRARIES.items():
        if native.existing_rule(name):
            declared.append(name)
            continue
        debian_library(name = name, **arguments)
        if arguments.get("optional"):
            headers[name] = arguments["header"]
            packages[name] = arguments["package"]
        else:
            declared.append(name)
    if not native.existing_rule("qio_optional"):
        optional_libraries(
            name = "qio_optional",
            declared = declared,
            headers = headers,
            packages = packages,
        )
