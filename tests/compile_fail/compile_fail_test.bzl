# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Tests that a misuse does not compile, and that the compiler says our words.

A case is one .cc file. Its misuse stands under #ifdef QIO_COMPILE_FAIL, and
the sentence that the compiler must print stands beside it, verbatim, in a
comment line of its own:

    // EXPECT: qio::OnLoop: a witness cannot be copied

    #ifdef QIO_COMPILE_FAIL
      qio::OnLoop<Loop> copy = on;
    #else
      qio::OnLoop<Loop>& copy = on;
    #endif

The file is compiled twice: as it is, which must work without a warning, so
that it fails for one reason only; and with -DQIO_COMPILE_FAIL, which must not,
and whose first error, with its notes and the source lines they quote, must
contain the sentence. compile_fail_check.py is the judge.

The compiler is the configuration's: g++, or clang under --config=clang. The
headers of a suite are compiled once for all its cases, which is most of the
work.
"""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")
load(
    "//tests:precompiled_header.bzl",
    "PRECOMPILED_REQUIREMENTS",
    "PrecompiledHeader",
    "precompiled_header",
)
load(
    "//tests:syntax_check.bzl",
    "SYNTAX_CHECK_ATTRS",
    "SYNTAX_CHECK_FRAGMENTS",
    "SYNTAX_CHECK_TOOLCHAINS",
    "syntax_check",
)

# $1 and $2: where the output of the two compilations goes, its last line being
# the compiler's exit code. The rest is the command.
_COMPILE = """
export LC_ALL=C
twin=$1 misuse=$2
shift 2
code=0; "$@" -Werror > "$twin" 2>&1 || code=$?
echo "exit code $code" >> "$twin"
code=0; "$@" -Werror=unused-result -DQIO_COMPILE_FAIL > "$misuse" 2>&1 || code=$?
echo "exit code $code" >> "$misuse"
"""

_TEST = """#!/bin/bash
exec python3 {check} {case} {twin} {misuse} {planted}
"""

def _quote(text):
    return "'" + text.replace("'", "'\\''") + "'"

def _compile_fail_test_impl(ctx):
    mode = ["-fsyntax-only"]
    precompiled = ctx.attr.precompiled
    if precompiled:
        mode += ["-include", precompiled[PrecompiledHeader].header.path]
    check = syntax_check(
        ctx,
        ctx.file.src,
        cc_common.merge_cc_infos(
            cc_infos = [dep[CcInfo] for dep in ctx.attr.deps],
        ).compilation_context,
        mode,
    )
    twin = ctx.actions.declare_file(ctx.label.name + ".twin.log")
    misuse = ctx.actions.declare_file(ctx.label.name + ".misuse.log")
    ctx.actions.run_shell(
        arguments = [twin.path, misuse.path] + check.command,
        command = _COMPILE,
        env = check.env,
        execution_requirements = PRECOMPILED_REQUIREMENTS,
        inputs = depset(ctx.files.precompiled, transitive = [check.inputs]),
        mnemonic = "CompileFail",
        outputs = [twin, misuse],
        progress_message = "Compiling %s in vain" % ctx.file.src.short_path,
    )
    test = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(
        test,
        _TEST.format(
            case = _quote(ctx.file.src.short_path),
            check = _quote(ctx.file._check.short_path),
            misuse = _quote(misuse.short_path),
            planted = _quote(ctx.attr.planted) if ctx.attr.planted else "",
            twin = _quote(twin.short_path),
        ),
        is_executable = True,
    )
    return [DefaultInfo(
        executable = test,
        runfiles = ctx.runfiles([ctx.file.src, ctx.file._check, twin, misuse]),
    )]

compile_fail_test = rule(
    implementation = _compile_fail_test_impl,
    attrs = dict(
        SYNTAX_CHECK_ATTRS,
        deps = attr.label_list(providers = [CcInfo]),
        planted = attr.string(
            doc = "for a case that is wrong on purpose: the complaint that " +
                  "the check must make, and that makes this test pass",
        ),
        precompiled = attr.label(providers = [PrecompiledHeader]),
        src = attr.label(allow_single_file = [".cc"], mandatory = True),
        _check = attr.label(
            allow_single_file = True,
            default = "//tests/compile_fail:compile_fail_check.py",
        ),
    ),
    fragments = SYNTAX_CHECK_FRAGMENTS,
    test = True,
    toolchains = SYNTAX_CHECK_TOOLCHAINS,
)

def compile_fail_suite(name, srcs, includes, deps, copts = []):
    """One test per case, named after its file, and a test_suite of them all.

    Args:
      name: of the test_suite.
      srcs: the cases.
      includes: the headers to compile once for all of them.
      deps: what they include, taken together.
      copts: more flags.
    """
    precompiled_header(
        name = name + "_headers",
        testonly = True,
        copts = copts,
        includes = includes,
        tags = ["compile_only"],
        deps = deps,
    )
    tests = []
    for src in srcs:
        tests.append(src[:-len(".cc")])
        compile_fail_test(
            name = tests[-1],
            size = "small",
            src = src,
            copts = copts,
            precompiled = name + "_headers",
            tags = ["compile_only"],
            deps = deps,
        )
    native.test_suite(
        name = name,
        tests = tests,
    )
