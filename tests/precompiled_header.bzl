# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Headers that are compiled once, where hundreds of files include the same.

A compiler that is told to include the header takes what it finds beside it. A
file still includes what it uses, and finds it there.
"""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load(
    "//tests:syntax_check.bzl",
    "SYNTAX_CHECK_ATTRS",
    "SYNTAX_CHECK_FRAGMENTS",
    "SYNTAX_CHECK_TOOLCHAINS",
    "syntax_check",
)

# A precompiled header has its headers by their paths, and clang asks for them:
# a sandbox, which is a different directory each time, would be another path.
# For what makes one, and for what uses one that clang has made.
PRECOMPILED_REQUIREMENTS = {"no-sandbox": "1"}

PrecompiledHeader = provider(
    doc = "A header, which is found precompiled beside itself.",
    fields = {"header": "File"},
)

def _precompiled_header_impl(ctx):
    header = ctx.actions.declare_file(ctx.label.name + ".h")
    precompiled = ctx.actions.declare_file(ctx.label.name + ".h.gch")
    ctx.actions.write(
        header,
        "".join(["#include \"%s\"\n" % name for name in ctx.attr.includes]),
    )
    compilation = syntax_check(
        ctx,
        header,
        cc_common.merge_cc_infos(
            cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
        ).compilation_context,
        mode = ["-x", "c++-header", "-o", precompiled.path],
        use_pic = ctx.attr.use_pic,
    )
    ctx.actions.run(
        arguments = compilation.command[1:],
        env = compilation.env,
        executable = compilation.command[0],
        execution_requirements = PRECOMPILED_REQUIREMENTS,
        inputs = compilation.inputs,
        mnemonic = "PrecompileHeader",
        outputs = [precompiled],
        progress_message = "Precompiling %s" % header.short_path,
    )
    return [
        DefaultInfo(files = depset([header, precompiled])),
        PrecompiledHeader(header = header),
    ]

precompiled_header = rule(
    implementation = _precompiled_header_impl,
    attrs = dict(
        SYNTAX_CHECK_ATTRS,
        deps = attr.label_list(
            doc = "what has the headers",
            providers = [CcInfo],
        ),
        includes = attr.string_list(doc = "the headers, as they are included"),
        use_pic = attr.bool(doc = "for objects, as cc_binary has them"),
    ),
    fragments = SYNTAX_CHECK_FRAGMENTS,
    toolchains = SYNTAX_CHECK_TOOLCHAINS,
)
