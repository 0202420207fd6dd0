/** Where a stage whose product is one file keeps its manifest: the file's name without `.jsonl`. */
export function stageDirectoryOf(file: string): string {
  return file.endsWith('.jsonl') ? file.slice(0, -'.jsonl'.length) : `${file}.stage`
}
