# Copyright 2026 The qio Authors
# SPDX-License-Identifier: Apache-2.0
"""Tables and a picture of measurements, for versus_peers.

A measurement is a dictionary:

    {"workload": "echo, 64 connections", "unit": "a second",
     "higher_is_better": True,
     "samples": {"limit": [60079.0, ...], "qio epoll": [...], "libuv": [...]}}

The nth samples of all contestants were taken beside each other, so ratios are
taken between those, and then their median.
"""

import html
import json
import math
import statistics

LIMIT = "limit"
OURS = ("qio epoll", "qio GLib", "qio Asio")


def is_peer(contestant):
    return contestant != LIMIT and contestant not in OURS


def median(samples):
    return statistics.median(samples)


def spread(samples):
    """Half of the distance between the extremes, over the median."""
    middle = median(samples)
    return (max(samples) - min(samples)) / 2 / middle if middle else 0.0


def cost_ratio(measurement, one, other):
    """How much more `one` costs than `other`: 2 is twice as slow, whichever way
    the unit goes."""
    pairs = zip(measurement["samples"][one], measurement["samples"][other])
    ratios = [a / b for a, b in pairs if a and b]
    if not ratios:
        return None
    ratio = statistics.median(ratios)
    return 1 / ratio if measurement["higher_is_better"] else ratio


def best_peer(measurement):
    peers = {name: median(samples)
             for name, samples in measurement["samples"].items()
             if is_peer(name)}
    if not peers:
        return None
    choose = max if measurement["higher_is_better"] else min
    return choose(peers, key=peers.get)


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def cell(measurement, contestant):
    samples = measurement["samples"].get(contestant)
    if not samples:
        return ""
    text = f"{number(median(samples))} ±{spread(samples):.0%}"
    if contestant not in OURS:
        return text
    ratios = []
    for other in (LIMIT, best_peer(measurement)):
        if other in measurement["samples"]:
            ratio = cost_ratio(measurement, contestant, other)
            ratios.append(f"{ratio:.2f}" if ratio else "-")
        else:
            ratios.append("-")
    return f"{text} ({', '.join(ratios)})"


def columns(measurements):
    """Limit and ours first, then the peers as they come."""
    names = [LIMIT, *OURS]
    for measurement in measurements:
        names += [name for name in measurement["samples"] if name not in names]
    return [name for name in names
            if any(name in m["samples"] for m in measurements)]


def rows(measurements):
    names = columns(measurements)
    yield ["workload", "unit", *names, "best peer"]
    for measurement in measurements:
        yield [measurement["workload"], measurement["unit"],
               *(cell(measurement, name) for name in names),
               best_peer(measurement) or ""]


def markdown(measurements):
    lines = list(rows(measurements))
    lines.insert(1, ["---", "---", *["---:"] * (len(lines[0]) - 3), "---"])
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def text(measurements):
    """For a terminal: a block each workload, a line each contestant."""
    out = []
    for measurement in measurements:
        out.append(f"{measurement['workload']} ({measurement['unit']})\n")
        best = best_peer(measurement)
        for name in columns([measurement]):
            mark = " <- best peer" if name == best else ""
            out.append(f"    {name:16} {cell(measurement, name)}{mark}\n")
    return "".join(out)


def as_json(measurements, machine):
    return json.dumps({"machine": machine, "measurements": measurements},
                      indent=1, ensure_ascii=False) + "\n"


# ---- The picture: for each workload a bar each contestant, as long as the
# logarithm of what it costs over the cheapest.

_BAR, _GAP, _LEFT, _WIDTH, _RIGHT = 12, 14, 130, 420, 110
_COLORS = {"limit": "#888888", "ours": "#1f6fb2", "peer": "#d9a441"}


def _kind(contestant):
    return "ours" if contestant in OURS else (
        "limit" if contestant == LIMIT else "peer")


def svg(measurements, title):
    widest = 10.0
    for measurement in measurements:
        widest = max([widest] + [_over_cheapest(measurement, name)
                                 for name in measurement["samples"]])
    scale = _WIDTH / math.log10(2 * widest)

    body, y = [], 34
    for measurement in measurements:
        names = [name for name in columns([measurement])
                 if measurement["samples"][name]]
        body.append(f'<text x="4" y="{y}" class="w">'
                    f'{html.escape(measurement["workload"])}, '
                    f'{html.escape(measurement["unit"])}</text>')
        y += 5
        for name in names:
            # The cheapest has a bar too, as long as a factor of two.
            length = scale * math.log10(2 * _over_cheapest(measurement, name))
            value = number(median(measurement["samples"][name]))
            body.append(
                f'<text x="{_LEFT - 4}" y="{y + 10}" text-anchor="end">'
                f'{html.escape(name)}</text>'
                f'<rect x="{_LEFT}" y="{y + 1}" width="{length:.1f}" '
                f'height="{_BAR - 2}" fill="{_COLORS[_kind(name)]}"/>'
                f'<text x="{_LEFT + length + 4:.1f}" y="{y + 10}">'
                f'{value}</text>')
            y += _BAR
        y += _GAP + 8
    width = _LEFT + _WIDTH + _RIGHT
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
            f'height="{y}" viewBox="0 0 {width} {y}">\n'
            '<style>text{font:10px sans-serif}.w{font-weight:bold}</style>\n'
            f'<rect width="{width}" height="{y}" fill="#ffffff"/>\n'
            f'<text x="4" y="14" class="w">{html.escape(title)}</text>\n'
            + "\n".join(body) + "\n</svg>\n")


def _over_cheapest(measurement, name):
    values = {n: median(s) for n, s in measurement["samples"].items() if s}
    if not values.get(name):
        return 1.0
    if measurement["higher_is_better"]:
        return max(values.values()) / values[name]
    return values[name] / (min(v for v in values.values() if v) or 1)
