import { join } from 'node:path'
import { writeFileAtomic } from '../runs/atomic.ts'
import { type MetricsSink, numbersOf, type Row } from './sink.ts'

/**
 * Event files as TensorBoard reads them, one folder per stage, written without TensorBoard itself. The file of a stage
 * is written whole from the rows that there are, so that it always is what `metrics.jsonl` says.
 * @param folder usually `tensorboard/` of the run's directory.
 */
export function tensorboardSink(folder: string): MetricsSink {
  const written = new Map<string, number>()
  return {
    async update(stage, rows) {
      if (written.get(stage) === rows.length) return
      const path = join(folder, stage, 'events.out.tfevents.0.elenchus')
      await writeFileAtomic(path, encodeEvents(rows))
      written.set(stage, rows.length)
    },
    close: () => Promise.resolve(),
  }
}

/** TFRecords of `tensorflow.Event` messages: the version, then one event per row with all its scalars. */
export function encodeEvents(rows: readonly Row[]): Buffer {
  const version = message([[3, Buffer.from('brain.Event:2')]])
  const events = rows.map((row, index) => {
    const { step, values } = numbersOf(row)
    const summary = message(
      values.map(([name, value]) => [1, message([[1, Buffer.from(name)]], [[2, value]])] as const),
    )
    // Rows carry no time of day; their place is as good, and the same file comes out every time.
    const time = Buffer.alloc(9)
    time.writeUInt8((1 << 3) | 1)
    time.writeDoubleLE(index + 1, 1)
    return Buffer.concat([time, Buffer.from([2 << 3]), varint(step), message([[5, summary]])])
  })
  return Buffer.concat([version, ...events].map(record))
}

/** Protobuf: length-delimited fields, then fields of 32-bit floats. */
function message(
  fields: readonly (readonly [number, Buffer])[],
  floats: readonly (readonly [number, number])[] = [],
): Buffer {
  return Buffer.concat([
    ...fields.flatMap(([number, bytes]) => [Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes]),
    ...floats.map(([number, value]) => {
      const field = Buffer.alloc(5)
      field.writeUInt8((number << 3) | 5)
      field.writeFloatLE(value, 1)
      return field
    }),
  ])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = Math.max(0, Math.trunc(value)); ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) | 128)
  }
}

/** Length, its checksum, data, its checksum. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(data.length))
  return Buffer.concat([length, checksum(length), data, checksum(data)])
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value
})

/** CRC-32C, masked as TFRecord wants it. */
function checksum(data: Buffer): Buffer {
  let crc = 0xffffffff
  for (const byte of data) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  crc = (crc ^ 0xffffffff) >>> 0
  const masked = Buffer.alloc(4)
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
  return masked
}
