import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { SlowestFirst } from './tests/support/slowest-first.ts'

export default defineConfig({
  // Examples and the tests of the public API import the package by its name.
  resolve: {
    alias: {
      'elenchus/testing': resolve(import.meta.dirname, 'src/testing/index.ts'),
      elenchus: resolve(import.meta.dirname, 'src/index.ts'),
    },
  },
  test: {
    include: ['tests/**/*.test.ts'],
    // Socket tests need processes of their own: zeromq must never run inside worker_threads.
    pool: 'forks',
    // Left alone, vitest keeps a core for itself: of two, half of the machine.
    maxWorkers: availableParallelism(),
    sequence: { sequencer: SlowestFirst },
    testTimeout: 240_000,
    hookTimeout: 240_000,
    passWithNoTests: false,
  },
})
