"""A plot as SVG: how many runs are done after how many seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 380, 60, 50, 40, 190
COLORS = ("#b2182b", "#ef8a62", "#2166ac", "#1a9850", "#762a83")
POINTS = 120
FONT = 'font-family="sans-serif" font-size="13"'


def draw(title: str, lines: Mapping[str, tuple[Sequence[float], int]], longest: float) -> str:
    """Return the plot. `lines`: for each name, when the runs were done in seconds, and how many runs there were."""
    inner_width, inner_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for share in (0, 25, 50, 75, 100):
        y = TOP + inner_height * (1 - share / 100)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{inner_width}" stroke="#ccc"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share} %</text>')
    for tick in range(7):
        x = LEFT + inner_width * tick / 6
        parts.append(f'<path d="M{x:.1f} {TOP + inner_height}v5" stroke="#333"/>')
        label = f"{longest * tick / 6 / 60:.0f} min"
        parts.append(f'<text x="{x:.1f}" y="{TOP + inner_height + 20}" text-anchor="middle">{label}</text>')
    for (moments, runs), color in zip(lines.values(), COLORS, strict=False):
        ordered = sorted(moments)
        points = []
        for number in range(POINTS + 1):
            done = bisect_right(ordered, longest * number / POINTS) / runs
            x, y = LEFT + inner_width * number / POINTS, TOP + inner_height * (1 - done)
            points.append(f"{x:.1f},{y:.1f}")
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="2"/>')
    for number, (name, color) in enumerate(zip(lines, COLORS, strict=False)):
        x, y = WIDTH - RIGHT + 12.0, TOP + 10.0 + 22 * number
        parts.append(f'<path d="M{x} {y}h18" stroke="{color}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 24}" y="{y + 4}">{escape(name.replace("`", ""))}</text>')
    return "\n".join([*parts, "</svg>", ""])
