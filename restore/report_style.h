/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report_style.h - how the report looks
 *
 * Blue and orange: the two hues that nearly everybody tells apart, in
 * lightnesses that differ too.  Patterns say the same again.
 */
#ifndef RESTORE_REPORT_STYLE_H
#define RESTORE_REPORT_STYLE_H

static const char report_style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;"
    "--line:#d0d7de;--box:#f6f8fa;--data:#0b5cad;--zero:#b35900;--good:#0b5cad;"
    "--bad:#a40e26;--badbox:#fff1f0}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;"
    "--paper:#0d1117;--line:#30363d;--box:#161b22;--data:#6cb6ff;"
    "--zero:#f0a35e;--good:#6cb6ff;--bad:#ff8a80;--badbox:#2d1416}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 "
    "system-ui,sans-serif}"
    "main{max-width:68rem;margin:0 auto;padding:1.5rem 1rem 3rem}"
    "h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}"
    "h3{font-size:1rem;margin:1.2rem 0 .3rem}"
    "p{margin:.4rem 0}.soft{color:var(--soft)}"
    ".state{display:inline-block;margin:.9rem 0 .4rem;padding:.35rem .8rem;"
    "border:2px solid var(--good);border-radius:.5rem;font-weight:600}"
    ".state.bad{border-color:var(--bad);background:var(--badbox)}"
    "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,auto));"
    "gap:.6rem;margin:1rem 0}"
    "dl div{background:var(--box);border:1px solid var(--line);"
    "border-radius:.5rem;padding:.5rem .8rem}"
    "dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-weight:600}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}"
    "th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid "
    "var(--line);vertical-align:top;white-space:nowrap}"
    "th{color:var(--soft);font-weight:600}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "td.t{white-space:normal}tr.bad td{background:var(--badbox)}"
    "ul{margin:.2rem 0;padding-left:1.2rem}"
    "code,pre{font:.88em ui-monospace,monospace}"
    "pre{background:var(--box);border:1px solid var(--line);border-radius:"
    ".5rem;padding:.6rem .8rem;overflow-x:auto}"
    "svg{display:block;width:100%;height:auto}"
    "svg text{fill:var(--soft);font:8px system-ui,sans-serif}"
    ".axis{stroke:var(--line);fill:none}"
    ".data{fill:var(--data)}.zero{fill:url(#zero)}"
    ".ground{fill:var(--box)}"
    ".full{fill:var(--data)}.inc{fill:url(#inc)}.diff{fill:url(#zero)}"
    ".copy{fill:none;stroke:var(--data);stroke-width:1.5}"
    ".lost{stroke:var(--bad);stroke-width:2.5}"
    ".key{display:inline-block;vertical-align:-.15em;width:1.6em;height:1em;"
    "margin:0 .35em 0 1em}"
    "@media print{.wide{overflow:visible}main{max-width:none}}";

#endif
