import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ElenchusError } from '../../src/errors.ts'
import {
  FRAME_BYTES,
  decodeBlobs,
  encodeBlobs,
  packIds,
  unpackRows,
} from '../../src/bridge/protocol/blobs.ts'
import { RAGGED_IDS } from '../../src/bridge/protocol/define-op.ts'
import { pack, unpack } from '../../src/bridge/protocol/codec.ts'
import { decodeMessage, encodeMessage, parseBody } from '../../src/bridge/protocol/message.ts'

const message = (body: Record<string, unknown>) => ({ kind: 'request' as const, id: 'x', op: 'stats', body })

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (ElenchusError.is(error)) return error.code
    throw error
  }
  return 'no error'
}

describe('codec', () => {
  test('keeps every JSON value that it packs', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'))
        expect(unpack(pack({ value }))).toEqual({ value: JSON.parse(JSON.stringify(value)) })
      }),
    )
  })

  test('keeps large integers integers', () => {
    // 0xd3: int64. msgpackr alone would write 0xcb, a float, which Python refuses where it expects an int.
    const bytes = pack({ n: 2 ** 40 })
    expect(bytes.at(-9)).toBe(0xd3)
    expect(unpack(bytes)).toEqual({ n: 2 ** 40 })
  })

  test('leaves out what is undefined and mends lone surrogates', () => {
    expect(unpack(pack({ a: undefined, b: { c: undefined, d: 'x\uD800y' } }))).toEqual({
      b: { d: 'x\uFFFDy' },
    })
  })

  test('refuses what msgpack would distort, naming the place', () => {
    for (const value of [
      JSON.parse('{"__proto__": 1}'),
      new Int32Array(2),
      new Map(),
      new Date(),
      () => 1,
      [undefined],
    ]) {
      expect(() => pack({ body: { list: [value] } })).toThrow(/\.body\.list\[0\]/)
    }
  })

  test('reads bytes that are no msgpack as a protocol violation', () => {
    expect(codeOf(() => unpack(Buffer.from([0x81, 0xa1])))).toBe('protocol_violation')
    expect(codeOf(() => unpack(new Uint8Array(0)))).toBe('protocol_violation')
  })
})

describe('blobs', () => {
  test('travel in frames of at most 1 MiB and come back equal, whatever their alignment', () => {
    const large = Float64Array.from({ length: 300_000 }, (_, index) => index / 3)
    const blobs = { large, empty: new Int32Array(0), odd: Uint8Array.of(1, 2, 3), f: Float32Array.of(0.5) }
    const { descriptions, frames } = encodeBlobs(blobs)
    expect(frames.map((frame) => frame.length)).toEqual([
      FRAME_BYTES,
      FRAME_BYTES,
      large.byteLength - 2 * FRAME_BYTES,
      3,
      4,
    ])
    const shifted = frames.map((frame) => {
      const padded = new Uint8Array(frame.length + 1)
      padded.set(frame, 1)
      return padded.subarray(1)
    })
    expect(decodeBlobs(descriptions, shifted)).toEqual(blobs)
  })

  test('are copies: the frame may be overwritten afterwards', () => {
    const frame = new Uint8Array(Int32Array.of(7).buffer)
    const { x } = decodeBlobs([{ name: 'x', dtype: 'i32', shape: [1] }], [frame])
    frame.fill(0)
    expect(x).toEqual(Int32Array.of(7))
  })

  test.each([
    ['too few bytes', [{ name: 'x', dtype: 'i32' as const, shape: [3] }], [new Uint8Array(8)]],
    ['too many bytes', [{ name: 'x', dtype: 'i32' as const, shape: [1] }], [new Uint8Array(8)]],
    ['a shape that claims terabytes', [{ name: 'x', dtype: 'f64' as const, shape: [2 ** 40] }], []],
    ['a frame of no blob', [], [new Uint8Array(8)]],
    [
      'a frame above the limit',
      [{ name: 'x', dtype: 'u8' as const, shape: [FRAME_BYTES + 1] }],
      [new Uint8Array(FRAME_BYTES + 1)],
    ],
    [
      'a name twice',
      [
        { name: 'x', dtype: 'u8' as const, shape: [1] },
        { name: 'x', dtype: 'u8' as const, shape: [1] },
      ],
      [new Uint8Array(1), new Uint8Array(1)],
    ],
  ])('refuse %s', (_what, descriptions, frames) => {
    expect(codeOf(() => decodeBlobs(descriptions, frames))).toBe('protocol_violation')
  })

  test('ragged rows come apart as they were put together', () => {
    const rows = [Int32Array.of(1, 2), new Int32Array(0), Int32Array.of(3)]
    expect(packIds(rows)).toEqual({ ids: Int32Array.of(1, 2, 3), ids_lengths: Int32Array.of(2, 0, 1) })
    const flat = Float32Array.of(1, 2, 3)
    expect(unpackRows(flat, Int32Array.of(2, 0, 1))).toEqual([
      Float32Array.of(1, 2),
      new Float32Array(0),
      Float32Array.of(3),
    ])
    expect(codeOf(() => unpackRows(flat, Int32Array.of(2)))).toBe('protocol_violation')
    expect(codeOf(() => unpackRows(flat, Int32Array.of(4, -1)))).toBe('protocol_violation')
  })

  test('are checked against the operation, none missing and none left over', () => {
    const check = (blobs: Record<string, unknown>) => codeOf(() => parseBody(RAGGED_IDS, blobs, 'request'))
    const ids = new Int32Array(0)
    expect(check({ ids, ids_lengths: ids })).toBe('no error')
    expect(check({ ids })).toBe('protocol_violation')
    expect(check({ ids, ids_lengths: new Float32Array(0) })).toBe('protocol_violation')
    expect(check({ ids, ids_lengths: ids, extra: ids })).toBe('protocol_violation')
  })
})

describe('messages', () => {
  test('of another version are refused with both versions', () => {
    expect(() => decodeMessage([pack({ v: 2, kind: 'bye', id: '', body: {} })])).toThrow(
      /version 2.*speaks 1/,
    )
  })

  test.each([
    ['no frames', []],
    ['no map', [Buffer.from([0x93, 1, 2, 3])]],
    ['an unknown kind', [pack({ v: 1, kind: 'shout', id: '', body: {} })]],
    ['no body', [pack({ v: 1, kind: 'bye', id: '' })]],
  ])('with %s are protocol violations', (_what, frames) => {
    expect(codeOf(() => decodeMessage(frames))).toBe('protocol_violation')
  })

  test('too large for a header are the sender’s mistake', () => {
    const text = 'x'.repeat(65 << 20)
    expect(codeOf(() => encodeMessage(message({ text })))).toBe('bad_request')
  })
})
