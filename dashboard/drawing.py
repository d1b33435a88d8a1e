"""How the report looks: its style, a table, and a line drawn as SVG.

Who uses it: dashboard.report and dashboard.figures. Pure; what a table holds is escaped here. Never: a script, an address.
"""

from collections.abc import Sequence
from decimal import Decimal
from html import escape

WIDTH, HEIGHT, EDGE, POINTS_MAX = 560, 130, 84, 1200
STYLE = """
:root{--ground:#f3f4f6;--panel:#fff;--ink:#1c2128;--muted:#5e6873;--line:#e3e6ea}
@media (prefers-color-scheme:dark){:root{--ground:#0e1216;--panel:#151a20;--ink:#dbe1e7;--muted:#8d98a4;--line:#262d35}}
*{box-sizing:border-box;margin:0}
html{background:var(--ground);color:var(--ink);font:13px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
body{max-width:1180px;margin:0 auto;padding:16px 12px 40px}
header{padding:0 2px 10px}h1{font-size:18px;font-weight:650}header p,footer,section p{color:var(--muted)}footer{padding:4px 2px}
section{background:var(--panel);border:1px solid var(--line);border-radius:7px;padding:8px 12px 10px;margin-bottom:8px}
h2{font-size:12px;font-weight:600;padding-bottom:4px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:8px 18px}
.tiles small,.tiles span,figcaption{display:block;color:var(--muted);font-size:11px}.tiles b{display:block;font-size:16px;overflow-wrap:anywhere}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:10px 20px}
figure{margin:0;min-width:0}svg{width:100%;height:auto;display:block}
polyline{fill:none;stroke:var(--ink);stroke-width:1.4;stroke-linejoin:round}polyline.zero{stroke:var(--line)}
svg text{fill:var(--muted);font-size:11px;text-anchor:end}
.scroll{overflow:auto;max-height:460px}table{border-collapse:collapse;width:100%}
th{font-size:11px;font-weight:400;color:var(--muted);text-align:left;position:sticky;top:0;background:var(--panel)}
th,td{padding:1px 14px 1px 0;white-space:nowrap;vertical-align:top}.r{text-align:right}th:last-child,td:last-child{padding-right:2px}
pre{font:12px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;white-space:pre-wrap;overflow-wrap:anywhere}
"""


def chart(points: Sequence[tuple[int, Decimal]], is_step: bool = False) -> str:
    """(time in ms, value) as a line around zero; thinned evenly where there are more points than can be seen."""
    if len(points) > POINTS_MAX:
        every = len(points) / POINTS_MAX
        points = [*(points[int(at * every)] for at in range(POINTS_MAX)), points[-1]]
    values = [value for _, value in points] + [Decimal(0)]
    low, high = min(values), max(values)
    height, begun_ms = (high - low) or Decimal(1), points[0][0]
    span_ms = (points[-1][0] - begun_ms) or 1

    def place(at_ms: int, value: Decimal) -> str:
        return f"{(at_ms - begun_ms) * (WIDTH - EDGE) / span_ms:.1f},{8 + (high - value) / height * (HEIGHT - 16):.1f}"

    corners, before = list[str](), points[0][1]
    for at_ms, value in points:
        corners += [place(at_ms, before)] if is_step else []
        corners.append(place(at_ms, value))
        before = value
    zero = f"{place(begun_ms, Decimal(0))} {place(points[-1][0], Decimal(0))}"
    labels = "".join(f'<text x="{WIDTH}" y="{y}">{value:+.6g}</text>' for value, y in ((high, 12), (low, HEIGHT - 4)))
    lines = f'<polyline class="zero" points="{zero}"/><polyline points="{" ".join(corners)}"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{lines}{labels}</svg>'


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int, note: str = "") -> str:
    """Nothing where there are no rows. Columns from `numbers_from` on stand right, those of words after them too: they line up."""
    if not rows:
        return ""
    kinds = [' class="r"' if at >= numbers_from else "" for at in range(len(columns))]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, columns, strict=True))
    body = "".join("<tr>" + "".join(f"<td{kind}>{escape(str(cell))}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>" for row in rows)
    said = f"<p>{escape(note)}</p>" if note else ""
    whole = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return f"<section><h2>{escape(title)}</h2>{said}{whole}</section>"
