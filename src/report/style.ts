/** The page's only style sheet. Colours have a contrast of at least 4.5 in both schemes; verdicts are also words. */
export const STYLE = `
:root {
  --text: #1b1f24; --soft: #57606a; --page: #ffffff; --panel: #f3f5f7; --line: #d0d7de;
  --good: #116329; --good-page: #e6f6ea; --bad: #a40e26; --bad-page: #fdecee; --note: #6a4500; --note-page: #fff3d6;
  --series0: #0b57b7; --series1: #b3420c; --series2: #116329;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6edf3; --soft: #9da7b3; --page: #0e1116; --panel: #181d24; --line: #343b45;
    --good: #6fdd8b; --good-page: #10291a; --bad: #ff9aa2; --bad-page: #331317; --note: #f0c36a; --note-page: #2c2208;
    --series0: #7ab7ff; --series1: #ffa36b; --series2: #6fdd8b;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0.5rem 0; font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 0.5rem; font-size: 1.25rem; border-bottom: 1px solid var(--line); }
h3 { margin: 1rem 0 0.25rem; font-size: 1rem; }
small, .none { color: var(--soft); font-size: 0.85em; }
.scroll { overflow-x: auto; margin: 0.75rem 0; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid var(--line); vertical-align: top; text-align: right; white-space: nowrap; }
th.words, td.words, tbody th { text-align: left; }
td.words { white-space: normal; min-width: 9rem; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)); gap: 0.75rem; }
figure { margin: 0.5rem 0; padding: 0.5rem; background: var(--panel); border-radius: 0.4rem; }
figure.wide { max-width: 40rem; }
figcaption { font-size: 0.9rem; font-weight: 600; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; display: block; }
.axis, .guide { fill: none; stroke: var(--line); }
.guide { stroke-dasharray: 3 3; }
.tick { fill: var(--soft); font-size: 10px; }
.wide .tick { font-size: 11px; }
.tick.end { text-anchor: end; }
.tick.middle { text-anchor: middle; }
.line { fill: none; stroke-width: 1.5; stroke: var(--series0); }
.line.series1 { stroke: var(--series1); }
.line.series2 { stroke: var(--series2); }
.bar, .dot { fill: var(--series0); }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0.25rem 0 0; padding: 0; list-style: none; font-size: 0.85rem; }
.legend .series0::before, .legend .series1::before, .legend .series2::before { content: "— "; font-weight: 700; }
.legend .series0 { color: var(--series0); }
.legend .series1 { color: var(--series1); }
.legend .series2 { color: var(--series2); }
.state { display: inline-block; padding: 0 0.5rem; border-radius: 0.4rem; background: var(--note-page); color: var(--note); font-weight: 600; }
.state.finished { background: var(--good-page); color: var(--good); }
summary { cursor: pointer; padding: 0.25rem 0; }
pre { overflow: auto; max-height: 30rem; padding: 0.75rem; background: var(--panel); border-radius: 0.4rem; font-size: 0.85rem; }
form { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: end; }
label { display: grid; font-size: 0.85rem; color: var(--soft); }
select, input, button { font: inherit; color: var(--text); background: var(--page); border: 1px solid var(--line);
  border-radius: 0.3rem; padding: 0.3rem 0.5rem; max-width: 100%; }
select { max-width: 16rem; }
button { cursor: pointer; }
:focus-visible { outline: 2px solid var(--series0); outline-offset: 2px; }
article { margin: 1rem 0; padding: 0.75rem; border: 1px solid var(--line); border-radius: 0.5rem; break-inside: avoid; }
article h3 { margin-top: 0; overflow-wrap: anywhere; }
article p { margin: 0.25rem 0; overflow-wrap: anywhere; }
.premises { margin: 0.25rem 0; padding-left: 2.2rem; color: var(--soft); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
.record h4 { margin: 0.5rem 0 0.25rem; font-size: 0.95rem; }
.steps { margin: 0; padding: 0; list-style: none; }
.step { margin: 0.35rem 0; padding: 0.4rem 0.6rem; border-left: 4px solid var(--line); background: var(--panel);
  overflow-wrap: anywhere; white-space: pre-wrap; }
.step.valid { border-color: var(--good); background: var(--good-page); }
.step.redundant { border-color: var(--note); background: var(--note-page); }
.step.invalid { border-color: var(--bad); background: var(--bad-page); }
.verdict { font-size: 0.85rem; font-weight: 600; }
.valid .verdict, .verdict.valid { color: var(--good); }
.redundant .verdict { color: var(--note); }
.invalid .verdict, .verdict.invalid { color: var(--bad); }
.step code { font-size: 0.85em; }
@media print {
  body { max-width: none; font-size: 10pt; }
  form, #more, button { display: none; }
  .scroll { overflow: visible; }
}
`
