/**
 * The page's only script: fills the trace viewer. Plain JavaScript, because it is embedded as it stands. Whatever
 * comes from the run is set as `textContent`; nothing here makes HTML out of text.
 */
export const SCRIPT = String.raw`'use strict'
const data = JSON.parse(document.getElementById('data').textContent)
const PAGE = 20

function make(tag, className, ...children) {
  const element = document.createElement(tag)
  if (className) element.className = className
  element.append(...children.filter((child) => child !== null))
  return element
}

/** What the filters look at, once per item. */
function facets(item) {
  const problem = data.problems[item.problem]
  const records = item.kind === 'pair' ? [item.chosen, item.rejected] : [item.record]
  const traces = records.filter((record) => record.kind === 'trace')
  const good = (record) => (record.kind === 'trace' ? record.valid : record.correct)
  return {
    source: new Set([data.sources[item.source].name]),
    verdict: new Set(records.map((record) =>
      record.kind === 'trace' ? (record.valid ? 'valid' : 'not valid') : record.correct ? 'correct' : 'wrong')),
    code: new Set(traces.flatMap((record) => record.codes)),
    option: new Set(traces.flatMap((record) => record.steps.flatMap((step) => step.option ?? []))),
    depth: new Set(problem.kind === 'proof' && problem.depth !== null ? [String(problem.depth)] : []),
    label: new Set(problem.kind === 'proof' ? [problem.label] : []),
    good: records.every(good),
    text: JSON.stringify([problem, records]).toLowerCase(),
  }
}

function start() {
  const form = document.getElementById('filters')
  const list = document.getElementById('items')
  const count = document.getElementById('count')
  const more = document.getElementById('more')
  const all = data.items.map((item) => ({ item, facets: facets(item) }))
  const selects = [...form.querySelectorAll('select')]
  for (const select of selects) {
    const values = new Set(all.flatMap((each) => [...each.facets[select.name]]))
    const sorted = select.name === 'source' ? [...values] : [...values].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    for (const value of sorted) select.append(new Option(value, value))
    // A filter with nothing to choose from is no filter.
    select.closest('label').hidden = values.size < 2
  }
  let matching = []
  let shown = 0
  const showMore = () => {
    const next = matching.slice(shown, shown + PAGE)
    list.append(...next.map((each) => itemOf(each.item)))
    shown += next.length
    count.textContent = matching.length + ' of ' + all.length + ' records match; ' + shown + ' shown.'
    more.hidden = shown >= matching.length
  }
  const filter = () => {
    const text = form.elements.text.value.trim().toLowerCase()
    matching = all.filter((each) =>
      selects.every((select) => select.value === '' || each.facets[select.name].has(select.value)) &&
      (text === '' || each.facets.text.includes(text)))
    list.replaceChildren()
    shown = 0
    showMore()
    keep()
  }
  /** The filters live in the address, so that a view can be linked and survives loading again. */
  const keep = () => {
    const chosen = [...new FormData(form)].filter(([, value]) => value !== '')
    history.replaceState(null, '', '#' + new URLSearchParams(chosen))
  }
  const wanted = new URLSearchParams(location.hash.slice(1))
  for (const [name, value] of wanted) {
    const field = form.elements.namedItem(name)
    if (field instanceof HTMLSelectElement || field instanceof HTMLInputElement) field.value = value
  }
  form.addEventListener('input', filter)
  form.addEventListener('submit', (event) => event.preventDefault())
  form.addEventListener('reset', () => setTimeout(filter))
  more.addEventListener('click', showMore)
  filter()
}

function itemOf(item) {
  const problem = data.problems[item.problem]
  const source = data.sources[item.source].name
  const article = make('article', '', make('h3', '', problem.id + ' · ' + source))
  if (problem.kind === 'proof') {
    const premises = make('ol', 'premises', ...problem.premises.map((premise) => make('li', '', premise)))
    premises.start = 0
    const depth = problem.depth === null ? '' : ', depth ' + problem.depth
    article.append(premises, make('p', '', 'Query: ' + problem.conclusion + ' (' + problem.label + depth + ')'))
  } else {
    article.append(make('p', '', problem.question), make('p', '', 'Answer: ' + problem.gold))
  }
  if (item.kind === 'single') {
    article.append(recordOf(item.record, null))
  } else {
    const margin = ' (' + item.type + ', margin ' + Number(item.margin.toPrecision(3)) + ')'
    article.append(make('p', '', 'Preference pair' + margin),
      make('div', 'columns', recordOf(item.chosen, 'Chosen'), recordOf(item.rejected, 'Rejected')))
  }
  return article
}

function recordOf(record, title) {
  const box = make('div', 'record')
  if (title !== null) box.append(make('h4', '', title))
  box.append(record.kind === 'trace' ? traceHead(record) : answerHead(record))
  if (record.kind === 'trace') {
    if (record.problem !== null) box.append(make('p', '', record.problem))
    if (record.text !== null) box.append(make('p', 'step', record.text))
    box.append(make('ol', 'steps', ...record.steps.map(stepOf)))
  } else {
    box.append(make('ol', 'steps', ...record.lines.filter((line) => line.text.trim() !== '').map(lineOf)))
  }
  return box
}

function traceHead(record) {
  const warrant = record.warrant === null ? '' : ' by ' + record.warrant
  const verdict = record.status !== 'judged' ? record.status : record.valid ? 'valid' + warrant : 'not valid'
  const rest = ' · answer ' + (record.answer ?? 'none') + (record.correct ? ', correct' : ', wrong') +
    ' · validity ' + Number(record.rate.toFixed(2)) + ' · ' + record.tokens + ' tokens, ended by ' + record.finish
  return make('p', '', make('span', 'verdict ' + (record.valid ? 'valid' : 'invalid'), verdict), rest)
}

function answerHead(record) {
  const rest = ' · answer ' + (record.answer ?? 'none') +
    (record.reward === null ? '' : ' · reward ' + Number(record.reward.toPrecision(3))) +
    (record.tokens === null ? '' : ' · ' + record.tokens + ' tokens') +
    (record.finish === null ? '' : ', ended by ' + record.finish)
  const verdict = record.correct ? 'correct' : 'wrong'
  return make('p', '', make('span', 'verdict ' + (record.correct ? 'valid' : 'invalid'), verdict), rest)
}

function stepOf(step) {
  const verdict = step.verdict + (step.code === null ? '' : ': ' + step.code)
  const index = step.index === null ? '' : '[' + step.index + '] '
  return make('li', 'step ' + step.verdict,
    make('div', '', index + step.thought),
    make('div', '', make('code', '', step.action)),
    make('div', 'verdict', verdict),
    step.error === null ? null : make('div', '', step.error),
    step.derived === null ? null : make('div', '', 'gives: ' + step.derived),
    ...step.notes.map((note) => make('div', '', 'note: ' + note)))
}

function lineOf(line) {
  const verdict = line.holds === null ? '' : line.holds ? 'valid' : 'invalid'
  const word = line.holds === null ? null : make('div', 'verdict', line.holds ? 'equations hold' : 'an equation does not hold')
  return make('li', 'step ' + verdict, make('div', '', line.text), word)
}

/** A served report of a running run loads itself again when there is something new. */
async function follow() {
  let seen = null
  for (;;) {
    try {
      const response = await fetch('version', { cache: 'no-store' })
      const version = await response.text()
      if (seen !== null && version !== seen) location.reload()
      seen = version
    } catch {
      // The server is gone; the page stays what it is.
    }
    await new Promise((resolve) => setTimeout(resolve, 3000))
  }
}

if (data.items.length > 0) start()
if (document.documentElement.dataset.live === 'true') follow()
`
