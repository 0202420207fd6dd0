/**
 * Dense FLOP/s in bf16 (fp32 sums, no sparsity) by the name that the driver gives, more particular patterns first.
 * From NVIDIA's data sheets and architecture papers, most of which state sparse rates, twice as high.
 */
const BF16_PEAKS: readonly (readonly [name: RegExp, flopPerSecond: number])[] = [
  // Data sheets of H100 and H200: 1,979 TFLOP/s sparse for SXM, 1,671 for NVL, 1,513 for PCIe.
  [/\b(?:H100|H200) NVL\b/u, 835e12],
  [/\b(?:H100|H800) PCIe\b/u, 756e12],
  [/\b(?:GH200|H200|H100|H800)\b/u, 989e12],
  // A100 data sheet: 312 dense, for SXM and PCIe alike.
  [/\b(?:A100|A800)\b/u, 312e12],
  // Data sheets: L40S 733 sparse, L40 362 sparse, L4 242 sparse; A40 299 sparse, A30 330 sparse, A10 250 sparse.
  [/\bL40S\b/u, 362e12],
  [/\bL40\b/u, 181e12],
  [/\bL4\b/u, 121e12],
  [/\bA40\b/u, 149.7e12],
  [/\bA30\b/u, 165e12],
  [/\bA10\b/u, 125e12],
  // Ada and Ampere architecture papers. Laptop chips and other variants have longer names, and other rates.
  [/\bRTX 6000 Ada\b/u, 364.2e12],
  [/\bRTX A6000$/u, 154.8e12],
  [/\bRTX 4090$/u, 165.2e12],
  [/\bRTX 3090$/u, 71e12],
]

/** Null for a device that is not in the table, for the CPU, a part of a GPU, and any other type than bf16. */
export function peakOf(deviceName: string, dtype: string): number | null {
  if (dtype !== 'bfloat16' || /\bMIG\b/u.test(deviceName)) return null
  return BF16_PEAKS.find(([name]) => name.test(deviceName))?.[1] ?? null
}
