# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
"""Lets Debian's Bazel 4 build C++ without a network.

For every C++ target, Bazel 4 downloads the repositories of rules below. The
rules themselves are part of it, so these stand-ins only hand them out under
the names that BUILD files load.
"""

def _hand_out(language, rules):
    return "".join(["{0}_{1} = native.{0}_{1}\n".format(language, rule) for rule in rules])

_CC_RULES = ["binary", "import", "library", "proto_library", "test", "toolchain", "toolchain_suite"]

_JAVA_RULES = ["binary", "import", "library", "runtime", "toolchain"]

# A file that assigns a built-in name cannot read it: hence the extra file.
_CC_BUILTIN = "builtin = struct(cc_common = cc_common, CcInfo = CcInfo)\n"

_NO_COVERAGE = """
filegroup(
    name = "coverage_report_generator",
    visibility = ["//visibility:public"],
)
"""

# repository -> file -> text
_STAND_INS = {
    "remote_coverage_tools": {"BUILD.bazel": _NO_COVERAGE},
    "rules_cc": {
        "cc/BUILD.bazel": "",
        "cc/common/BUILD.bazel": "",
        "cc/common/builtin.bzl": _CC_BUILTIN,
        "cc/common/cc_common.bzl": "load(\":builtin.bzl\", \"builtin\")\ncc_common = builtin.cc_common\n",
        "cc/common/cc_info.bzl": "load(\":builtin.bzl\", \"builtin\")\nCcInfo = builtin.CcInfo\n",
        "cc/defs.bzl": _hand_out("cc", _CC_RULES),
    },
    "rules_java": {
        "java/BUILD.bazel": "",
        "java/defs.bzl": _hand_out("java", _JAVA_RULES),
    },
}

def _stand_in_impl(ctx):
    ctx.file("WORKSPACE")
    for path, text in ctx.attr.files.items():
        ctx.file(path, text)

_stand_in = repository_rule(
    implementation = _stand_in_impl,
    attrs = {"files": attr.string_dict(mandatory = True)},
)

def qio_offline_bazel():
    """Declares the stand-ins, except those that the caller declared before."""
    for name, files in _STAND_INS.items():
        if not native.existing_rule(name):
            _stand_in(name = name, files = files)
