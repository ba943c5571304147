# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""The compiler's command line that checks a file and writes no object.

For tests of what compiles and what does not: the compiler, flags and headers
are those that a cc_test with the same deps would get.
"""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")

# What a rule that calls syntax_check() must have besides its own.
SYNTAX_CHECK_ATTRS = {
    "copts": attr.string_list(doc = "more flags"),
    "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
}

SYNTAX_CHECK_FRAGMENTS = ["cpp"]

SYNTAX_CHECK_TOOLCHAINS = ["@bazel_tools//tools/cpp:toolchain_type"]

_ACTION = "c++-compile"

def syntax_check(ctx, source, context, mode = ["-fsyntax-only"], use_pic = False):
    """The command that checks `source`.

    Args:
      ctx: a rule's, with the attributes above.
      source: the File to check.
      context: the compilation context of what it includes.
      mode: flags that say what to make of it; nothing, unless told.
      use_pic: whether that has to fit position-independent code.

    Returns:
      A struct: command (words), env (dict), inputs (depset).
    """
    toolchain = ctx.attr._cc_toolchain[cc_common.CcToolchainInfo]
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    variables = cc_common.create_compile_variables(
        cc_toolchain = toolchain,
        feature_configuration = features,
        include_directories = context.includes,
        preprocessor_defines = context.defines,
        quote_include_directories = context.quote_includes,
        source_file = source.path,
        system_include_directories = context.system_includes,
        use_pic = use_pic,
        user_compile_flags = (
            ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts +
            ["-Wall", "-Wextra", "-fdiagnostics-color=never"] + mode +
            ctx.attr.copts
        ),
    )
    compiler = cc_common.get_tool_for_action(
        action_name = _ACTION,
        feature_configuration = features,
    )
    flags = cc_common.get_memory_inefficient_command_line(
        action_name = _ACTION,
        feature_configuration = features,
        variables = variables,
    )
    return struct(
        command = [compiler] + flags,
        env = cc_common.get_environment_variables(
            action_name = _ACTION,
            feature_configuration = features,
            variables = variables,
        ),
        inputs = depset([source], transitive = [context.headers, toolchain.all_files]),
    )
