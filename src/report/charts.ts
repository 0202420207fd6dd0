import type { ReliabilityBin } from '../evaluation/statistics-calibration.ts'
import type { Estimate } from '../evaluation/statistics.ts'
import type { Distribution } from './distribution.ts'
import { number, percent } from './format.ts'
import { html, type Html } from './html.ts'
import type { Panel, Series } from './report.ts'

const WIDTH = 320
const HEIGHT = 150
const FRAME = { left: 46, right: 8, top: 8, bottom: 24 }

/** Maps data to the inside of the frame. */
class Scale {
  readonly #low: number
  readonly #high: number
  readonly #from: number
  readonly #to: number

  constructor([low, high]: readonly [number, number], [from, to]: readonly [number, number]) {
    // One value alone is drawn in the middle.
    const margin = low === high ? Math.abs(low) / 2 || 1 : 0
    this.#low = low - margin
    this.#high = high + margin
    this.#from = from
    this.#to = to
  }

  at(value: number): string {
    const share = (value - this.#low) / (this.#high - this.#low)
    return (this.#from + share * (this.#to - this.#from)).toFixed(1)
  }
}

const horizontal = (range: readonly [number, number]): Scale =>
  new Scale(range, [FRAME.left, WIDTH - FRAME.right])
const vertical = (range: readonly [number, number]): Scale =>
  new Scale(range, [HEIGHT - FRAME.bottom, FRAME.top])

/** Curves over steps, as one picture with a legend where there is more than one. */
export function lineChart({ title, series }: Panel, unit: string): Html {
  const points = series.flatMap((each) => each.points)
  const values = points.flatMap(([, value]) => value ?? [])
  if (values.length === 0) return html``
  const xs = rangeOf(points.map(([x]) => x))
  const ys = rangeOf(values)
  const [x, y] = [horizontal(xs), vertical(ys)]
  const lines = series.map((each, index) => curve(each, index, x, y))
  const legend =
    series.length === 1
      ? html``
      : html`<ul class="legend">
          ${series.map(({ name }, index) => html`<li class="series${index}">${name}</li>`)}
        </ul>`
  const last = series.map(({ name, points: own }) => `${name} ends at ${lastValue(own)}`).join('; ')
  return figure(
    title,
    html`${axes(xs, ys, unit)}${lines}`,
    `${title} over ${number(xs[0])} to ${number(xs[1])} ${unit}s, between ${number(ys[0])} and ${number(ys[1])}; ${last}`,
    legend,
  )
}

function curve({ points }: Series, index: number, x: Scale, y: Scale): Html {
  let path = ''
  let pen = 'M'
  for (const [at, value] of points) {
    if (value === null) {
      pen = 'M'
      continue
    }
    path += `${pen}${x.at(at)} ${y.at(value)}`
    pen = 'L'
  }
  return html`<path class="line series${index}" d="${path}" />`
}

function lastValue(points: Series['points']): string {
  const last = points.findLast(([, value]) => value !== null)?.[1]
  return last === null || last === undefined ? 'nothing' : number(last)
}

export function histogram(title: string, distribution: Distribution, unit: string): Html {
  const { bins, min, max, median } = distribution
  const most = Math.max(...bins.map(({ count }) => count))
  const xs = [bins[0]?.low ?? min, bins.at(-1)?.high ?? max] as const
  const [x, y] = [horizontal(xs), vertical([0, most])]
  const bars = bins.map(({ low, high, count }) => {
    const [left, right, top] = [x.at(low), x.at(high), y.at(count)]
    const width = Math.max(1, Number(right) - Number(left) - 1).toFixed(1)
    const height = (HEIGHT - FRAME.bottom - Number(top)).toFixed(1)
    return html`<rect class="bar" x="${left}" y="${top}" width="${width}" height="${height}" />`
  })
  return figure(
    title,
    html`${axes(xs, [0, most], unit)}${bars}`,
    `${title}: ${distribution.n} values from ${number(min)} to ${number(max)}, median ${number(median)}`,
  )
}

/** How often answers were right, against how much the samples agreed; the diagonal is perfect. */
export function reliabilityChart(title: string, bins: readonly ReliabilityBin[]): Html {
  const [x, y] = [horizontal([0, 1]), vertical([0, 1])]
  const dots = bins.flatMap(({ count, mean_confidence: agreement, accuracy }) => {
    if (agreement === null || accuracy === null) return []
    const label = `agreement ${percent(agreement)} %: right in ${percent(accuracy)} % of ${count}`
    return [
      html`<circle class="dot" cx="${x.at(agreement)}" cy="${y.at(accuracy)}" r="4"
        ><title>${label}</title></circle
      >`,
    ]
  })
  const diagonal = html`<path class="guide" d="M${x.at(0)} ${y.at(0)}L${x.at(1)} ${y.at(1)}" />`
  return figure(
    title,
    html`${axes([0, 1], [0, 1], 'agreement')}${diagonal}${dots}`,
    `${title}: share right against agreement`,
  )
}

/** Estimates below each other with their intervals, on one scale of 0 to 100 %. */
export function intervals(
  title: string,
  rows: readonly { readonly name: string; readonly estimate: Estimate | null }[],
): Html {
  const height = 20 * rows.length + 22
  const x = new Scale([0, 1], [150, WIDTH + 120])
  const grid = [0, 0.25, 0.5, 0.75, 1].map(
    (at) =>
      html`<path class="guide" d="M${x.at(at)} 0V${height - 18}" /><text
          class="tick middle"
          x="${x.at(at)}"
          y="${height - 4}"
          >${100 * at}</text
        >`,
  )
  const marks = rows.map(({ name, estimate }, index) => {
    const y = 20 * index + 12
    const label = html`<text class="tick" x="0" y="${y + 4}"
      >${name.length > 26 ? `${name.slice(0, 25)}…` : name}</text
    >`
    if (estimate === null) return label
    const { value, low, high } = estimate
    const whisker =
      low === null || high === null
        ? html``
        : html`<path class="line series0" d="M${x.at(low)} ${y}H${x.at(high)}" />`
    return html`${label}${whisker}<circle class="dot" cx="${x.at(value)}" cy="${y}" r="4" />`
  })
  const said = rows.map(
    ({ name, estimate }) => `${name} ${estimate === null ? 'not measured' : percent(estimate.value)}`,
  )
  return html`<figure class="wide">
    <figcaption>${title}</figcaption>
    <svg viewBox="0 0 ${WIDTH + 130} ${height}" role="img" aria-label="${`${title}: ${said.join(', ')}`}">
      ${grid}${marks}
    </svg>
  </figure>`
}

function figure(title: string, inside: Html, label: string, legend: Html = html``): Html {
  return html`<figure>
    <figcaption>${title}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">${inside}</svg>${legend}
  </figure>`
}

function axes(xs: readonly [number, number], ys: readonly [number, number], unit: string): Html {
  const bottom = HEIGHT - FRAME.bottom
  const right = WIDTH - FRAME.right
  return html`<path class="axis" d="M${FRAME.left} ${FRAME.top}V${bottom}H${right}" />
    <text class="tick end" x="${FRAME.left - 4}" y="${FRAME.top + 8}">${number(ys[1])}</text>
    <text class="tick end" x="${FRAME.left - 4}" y="${bottom}">${number(ys[0])}</text>
    <text class="tick" x="${FRAME.left}" y="${HEIGHT - 8}">${number(xs[0])}</text>
    <text class="tick middle" x="${(FRAME.left + right) / 2}" y="${HEIGHT - 8}">${unit}</text>
    <text class="tick end" x="${right}" y="${HEIGHT - 8}">${number(xs[1])}</text>`
}

function rangeOf(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return [low, high]
}
