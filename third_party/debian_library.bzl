# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
#
"""A repository whose targets stand for a library that Debian installed.

Headers stay in /usr/include, a system directory of the compiler: nothing is
copied, and no warning comes out of them. Directories that the compiler does
not search by itself (GLib's) are linked into the repository. What to link
comes from pkg-config.
"""

_MISSING = """

  {header} is missing: qio's repository "{name}" stands for it.
  On Debian 12:  apt-get install {package}
  To use another copy, declare a repository "{name}" in your WORKSPACE before
  it calls qio_dependencies().
"""

_HEAD = """load("@rules_cc//cc:defs.bzl", "cc_library")

package(default_visibility = ["//visibility:public"])
"""

_LIBRARY = """
cc_library(
    name = "{name}",
    hdrs = glob({headers}),
    includes = {includes},
    linkopts = {linkopts},
    target_compatible_with = {compatible_with},
)
"""

# A constraint that no platform meets: under "//..." Bazel skips whatever
# depends on it; asked for such a target by name, it prints the constraint's.
_ABSENT = """
constraint_setting(name = "debian_package")

constraint_value(
    name = "{value}",
    constraint_setting = ":debian_package",
)
"""

def _pkg_config(ctx, option, module):
    tool = ctx.which("pkg-config")
    if not tool:
        fail("\n\n  pkg-config is missing.\n  On Debian 12:  apt-get install pkg-config\n")
    result = ctx.execute([tool, option, module])
    if result.return_code:
        fail("\n\n  pkg-config {} {} failed; is {} installed?\n{}".format(
            option,
            module,
            ctx.attr.package,
            result.stderr,
        ))
    return [word for word in result.stdout.strip().split(" ") if word]

def _present(ctx, package, name, link):
    """The text of one cc_library; `link` as in `targets`."""
    if link.startswith("-"):
        return _LIBRARY.format(
            compatible_with = [],
            headers = [],
            includes = [],
            linkopts = link.split(" "),
            name = name,
        )
    includes = []
    for word in _pkg_config(ctx, "--cflags", link):
        if word.startswith("-I"):
            directory = "{}_include_{}".format(name, len(includes))
            ctx.symlink(word[len("-I"):], package + "/" + directory if package else directory)
            includes.append(directory)
    return _LIBRARY.format(
        compatible_with = [],
        headers = [directory + "/**" for directory in includes],
        includes = includes,
        linkopts = _pkg_config(ctx, "--libs", link),
        name = name,
    )

def _absent(name, value):
    return _LIBRARY.format(
        compatible_with = ["//:" + value],
        headers = [],
        includes = [],
        linkopts = [],
        name = name,
    )

def _debian_library_impl(ctx):
    found = ctx.path(ctx.attr.header).exists
    if not found and not ctx.attr.optional:
        fail(_MISSING.format(
            header = ctx.attr.header,
            name = ctx.name,
            package = ctx.attr.package,
        ))

    value = "install_" + ctx.attr.package
    build_files = {"": _HEAD + ("" if found else _ABSENT.format(value = value))}
    for target, link in ctx.attr.targets.items():
        package, name = target.split(":")
        text = _present(ctx, package, name, link) if found else _absent(name, value)
        build_files[package] = build_files.get(package, _HEAD) + text

    ctx.file("WORKSPACE")
    for package, text in build_files.items():
        ctx.file(package + "/BUILD.bazel" if package else "BUILD.bazel", text)

debian_library = repository_rule(
    implementation = _debian_library_impl,
    attrs = {
        "header": attr.string(
            doc = "a file that tells whether the package is installed",
            mandatory = True,
        ),
        "optional": attr.bool(doc = "if it is absent, dependents are skipped"),
        "package": attr.string(
            doc = "the Debian package; the library, if there is none",
            mandatory = True,
        ),
        "targets": attr.string_dict(
            doc = "'package:name' to a module of pkg-config, or to link flags",
            mandatory = True,
        ),
    },
    configure = True,
    environ = ["PKG_CONFIG_PATH"],
    local = True,  # Looked at anew by each Bazel server.
)

_OPTIONAL = "# repository -> whether it has a library\nAVAILABLE = {}\n"

def _optional_libraries_impl(ctx):
    available = {name: True for name in ctx.attr.declared}
    for name, header in ctx.attr.headers.items():
        available[name] = ctx.path(header).exists
        if not available[name]:
            # Bazel itself says no word of what it skips.
            print("{} is not installed: what needs @{} is skipped".format(
                ctx.attr.packages[name],
                name,
            ))
    ctx.file("WORKSPACE")
    ctx.file("BUILD.bazel")
    ctx.file("libraries.bzl", _OPTIONAL.format(available))

optional_libraries = repository_rule(
    doc = "//:libraries.bzl tells BUILD files which optional libraries there are.",
    implementation = _optional_libraries_impl,
    attrs = {
        "declared": attr.string_list(
            doc = "repositories that have a library of their own",
        ),
        "headers": attr.string_dict(
            doc = "repository of an optional library to the file that tells",
        ),
        "packages": attr.string_dict(
            doc = "repository to what is to be installed",
        ),
    },
    configure = True,
    local = True,
)
