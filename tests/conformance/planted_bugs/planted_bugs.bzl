# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Programs with a bug that the conformance suite has to catch (RS-03).

A planted bug is a patch, of one hunk, to one header. plant.py writes a program
from it: that header with the bug, and behind it one case of the suite. Nothing
is copied but that header, whose guard keeps the one without the bug out.

A patch that no longer applies breaks no build: its program says so, and the
test fails. One that applies and does not compile does break it.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load("//tests:precompiled_header.bzl", "precompiled_header")

# What the end of a patch's name, before ".patch", asks for.
_SANITIZERS = {
    "": [],
    "asan": ["-fsanitize=address"],
    "tsan": [
        "-fsanitize=thread",
        "-DASIO_DISABLE_FENCED_BLOCK",
    ],
}

_DEPS = [
    "//tests/conformance:asio_harness",
    "//tests/conformance:epoll_harness",
    "//tests/conformance:glib_harness",
    "//tests/conformance:manual_harness",
    "//tests/conformance:net_conformance",
]

# They are built once, without clang and without a configuration's sanitizers.
_TAGS = ["no_sanitizer"]

_VIRTUAL = "/_virtual_includes/"

def _planted_source_impl(ctx):
    context = cc_common.merge_cc_infos(
        cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
    ).compilation_context

    # Ours, by the names that they are included by.
    headers = {}
    for header in context.headers.to_list():
        name = header.short_path
        if _VIRTUAL in name:
            name = name.split(_VIRTUAL)[1].partition("/")[2]
        if name.startswith("qio/"):
            headers[name] = header
    source = ctx.actions.declare_file(ctx.attr.out)
    arguments = ctx.actions.args()
    arguments.add(ctx.file._plant)
    arguments.add(source)
    if ctx.attr.control_of:
        arguments.add("--control=" + ctx.attr.control_of)
    arguments.add_all(ctx.files.patches)
    arguments.add("--")
    for name, header in headers.items():
        arguments.add(header, format = name + "=%s")
    ctx.actions.run_shell(
        arguments = [arguments],
        command = "exec python3 \"$@\"",
        inputs = [ctx.file._plant] + ctx.files.patches + headers.values(),
        mnemonic = "PlantBug",
        outputs = [source],
        progress_message = "Planting %s" % ctx.label.name,
        use_default_shell_env = True,
    )
    return [DefaultInfo(files = depset([source]))]

_planted_source = rule(
    implementation = _planted_source_impl,
    attrs = {
        "control_of": attr.string(
            doc = "an executor: write all cases that patches want of it, " +
                  "without a bug",
        ),
        "deps": attr.label_list(providers = [CcInfo]),
        "out": attr.string(mandatory = True),
        "patches": attr.label_list(allow_files = [".patch"], mandatory = True),
        "_plant": attr.label(
            allow_single_file = True,
            default = "//tests/conformance/planted_bugs:plant.py",
        ),
    },
)

# What all programs include and no bug is in, which is a third of their work.
_COMMON = [
    "absl/status/statusor.h",
    "algorithm",
    "boost/test/unit_test.hpp",
    "chrono",
    "condition_variable",
    "deque",
    "functional",
    "future",
    "map",
    "memory",
    "mutex",
    "optional",
    "set",
    "stop_token",
    "string",
    "thread",
    "variant",
    "vector",
]

def _program(name, sanitizer, patches, control_of = ""):
    _planted_source(
        name = name + "_source",
        control_of = control_of,
        out = name + ".cc",
        patches = patches,
        tags = _TAGS,
        deps = _DEPS,
    )
    cc_binary(
        name = name,
        srcs = [name + "_source"],
        # A bug may leave something unused.
        copts = ["-w"] + (_SANITIZERS[sanitizer] or [
            "-include",
            "$(GENDIR)/%s/common_headers.h" % native.package_name(),
        ]),
        linkopts = _SANITIZERS[sanitizer],
        tags = _TAGS,
        deps = _DEPS + ([] if sanitizer else [":common"]),
    )

def planted_bug_programs(patches, controls):
    """A program for each patch, and one for each control.

    Args:
      patches: the bugs.
      controls: executors by sanitizer. What needs no sanitizer has its control
        in the tests of the suite.

    Returns:
      The names of all.
    """
    precompiled_header(
        name = "common_headers",
        testonly = True,
        includes = _COMMON,
        tags = _TAGS,
        use_pic = True,
        deps = [
            "@abseil-cpp//absl/status:statusor",
            "@boost.test",
        ],
    )
    cc_library(
        name = "common",
        tags = _TAGS,
        textual_hdrs = ["common_headers"],
    )
    programs = []
    bugs = {sanitizer: [] for sanitizer in _SANITIZERS}
    for patch in patches:
        programs.append(patch[:-len(".patch")])
        sanitizer = programs[-1].partition(".")[2]
        bugs[sanitizer].append(patch)
        _program(programs[-1], sanitizer, [patch])
    for sanitizer, executors in controls.items():
        for executor in executors:
            programs.append("control_%s.%s" % (executor, sanitizer))
            _program(programs[-1], sanitizer, bugs[sanitizer], executor)
    return programs
