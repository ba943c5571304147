# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that public headers compile, each alone, as users include them."""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load(
    "//tests:syntax_check.bzl",
    "SYNTAX_CHECK_ATTRS",
    "SYNTAX_CHECK_FRAGMENTS",
    "SYNTAX_CHECK_TOOLCHAINS",
    "syntax_check",
)

_Headers = provider(
    doc = "The public headers of some targets of this project.",
    fields = {"all": "depset of struct(name, context): as included, and with what"},
)

def _name(header):
    """How users include a header, or None if they cannot under this name."""
    name = header.short_path
    if "/_virtual_includes/" in name:
        # <package>/_virtual_includes/<target>/<include_prefix>/<file>
        name = name.split("/_virtual_includes/")[1].split("/", 1)[1]
    return name if name.startswith("qio/") else None

def _headers_aspect_impl(target, ctx):
    own = []
    if ctx.rule.kind == "cc_library" and not target.label.workspace_name:
        context = target[CcInfo].compilation_context
        own = [
            struct(context = context, name = _name(header))
            for header in context.direct_public_headers
            if _name(header)
        ]
    return [_Headers(all = depset(own, transitive = [
        dep[_Headers].all
        for dep in getattr(ctx.rule.attr, "deps", [])
        if _Headers in dep
    ]))]

_headers_aspect = aspect(
    implementation = _headers_aspect_impl,
    attr_aspects = ["deps"],
)

# $1: where the compiler's output goes; empty if it had nothing to say. The
# rest is the command.
_COMPILE = """
log=$1
shift
LC_ALL=C "$@" > "$log" 2>&1 || echo "exit code $?" >> "$log"
"""

_TEST = """#!/bin/bash
# Prints what the compiler said of each header.
failed=0
for log in {logs}; do
  if [[ -s $log ]]; then
    cat "$log"
    failed=1
  fi
done
exit $failed
"""

def _check(ctx, name, includes, context):
    """Compiles a file with these includes; returns what the compiler said."""
    source = ctx.actions.declare_file("%s/%s.cc" % (ctx.label.name, name))
    ctx.actions.write(source, "".join(["#include \"%s\"\n" % name for name in includes]))
    check = syntax_check(ctx, source, context)
    log = ctx.actions.declare_file("%s/%s.log" % (ctx.label.name, name))
    ctx.actions.run_shell(
        arguments = [log.path] + check.command + ["-Werror"],
        command = _COMPILE,
        env = check.env,
        inputs = check.inputs,
        mnemonic = "CompileHeader",
        outputs = [log],
        progress_message = "Compiling %s as a header" % name,
    )
    return log

def _headers_test_impl(ctx):
    # Of the targets that have a header, the first is as good as any.
    contexts = {}
    for dep in ctx.attr.deps:
        for header in dep[_Headers].all.to_list():
            contexts.setdefault(header.name, header.context)
    names = sorted(contexts.keys())

    if ctx.attr.alone:
        # Twice, for the guard.
        logs = [_check(ctx, name, [name, name], contexts[name]) for name in names]
    else:
        everything = cc_common.merge_cc_infos(
            cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
        ).compilation_context
        logs = [_check(ctx, "all", names, everything)]

    test = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(
        test,
        _TEST.format(logs = " ".join([log.short_path for log in logs])),
        is_executable = True,
    )
    listing = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.write(listing, "".join([name + "\n" for name in names]))
    return [
        DefaultInfo(executable = test, runfiles = ctx.runfiles(logs)),
        OutputGroupInfo(listing = depset([listing])),
    ]

headers_test = rule(
    doc = """Compiles the public headers of `deps`, and of all that they depend on
within this project: each twice in a file of its own or, if not `alone`,
all of them in one file. Warnings are errors.""",
    implementation = _headers_test_impl,
    attrs = dict(
        SYNTAX_CHECK_ATTRS,
        alone = attr.bool(default = True),
        deps = attr.label_list(
            aspects = [_headers_aspect],
            mandatory = True,
            providers = [CcInfo],
        ),
    ),
    fragments = SYNTAX_CHECK_FRAGMENTS,
    test = True,
    toolchains = SYNTAX_CHECK_TOOLCHAINS,
)
