import { describeFront, isImagePreprocess, type AnyPreprocess } from '../data/index.ts'
import { describe } from '../evaluate/index.ts'
import type { Verdict } from './mobile.ts'

export interface CardFacts {
  name: string
  engineVersion: string
  source: string
  inputs: readonly { name: string; text: string }[]
  outputs: readonly { name: string; text: string }[]
  files: readonly { path: string; bytes: number; what: string }[]
  preprocess: AnyPreprocess | undefined
  labels: readonly string[] | undefined
  /** Metrics by variant. */
  metrics: Readonly<Record<string, Readonly<Record<string, { value: number; ci95?: readonly number[] | undefined }>>>>
  /** How the metrics were measured, one sentence. */
  measured: string | undefined
  parity: Readonly<Record<string, number>>
  golden: string
  mobile: Readonly<Record<string, Verdict>>
}

const percent = (x: number) => `${(100 * x).toFixed(0)} %`

/** The model card: what the files are, and only numbers that were measured, each with how. */
export function modelCard(f: CardFacts): string {
  const list = (ports: CardFacts['inputs']) => ports.map((p) => `- \`${p.name}\`: ${p.text}`)
  return [
    `# ${f.name}`,
    '',
    `Exported by Stillroom ${f.engineVersion} from a file with SHA-256 \`${f.source}\`.`,
    '',
    '## Inputs and outputs',
    '',
    ...list(f.inputs),
    ...list(f.outputs),
    '',
    f.preprocess
      ? `Preprocessing (\`preprocess.json\`): ${isImagePreprocess(f.preprocess) ? describe(f.preprocess) : describeFront(f.preprocess)}.`
      : 'Preprocessing: none is known; inputs go in as they are.',
    f.labels ? `Classes (\`labels.txt\`): ${f.labels.length}.` : 'Class names: none are known.',
    '',
    '## Files',
    '',
    '| file | bytes | what |',
    '| --- | --- | --- |',
    ...f.files.map((file) => `| \`${file.path}\` | ${file.bytes} | ${file.what} |`),
    '',
    '## Measured',
    '',
    ...metricsTable(f),
    `Largest absolute difference to the source model's outputs on ${f.golden} (\`golden/\`), measured on the files themselves with ONNX Runtime on the CPU:`,
    '',
    ...Object.entries(f.parity).map(([file, error]) => `- \`${file}\`: ${error.toExponential(2)}`),
    '',
    '## On phones',
    '',
    'By the rules of ONNX Runtime’s usability check, from operators and shapes; nothing was run on a phone.',
    '',
    ...Object.entries(f.mobile).map(
      ([provider, v]) =>
        `- ${provider}: **${v.verdict}**, ${percent(v.covered)} of the nodes in ${v.partitions === 1 ? 'one partition' : `${v.partitions} partitions`}${v.reasons.length ? ` (${v.reasons.join('; ')})` : ''}`,
    ),
    '',
  ].join('\n')
}

function metricsTable(f: CardFacts): string[] {
  const rows = Object.entries(f.metrics).flatMap(([variant, metrics]) =>
    Object.entries(metrics).map(
      ([name, { value, ci95 }]) =>
        `| ${variant} | ${name} | ${value.toPrecision(4)} | ${ci95 ? ci95.map((v) => v.toPrecision(4)).join(' to ') : ''} |`,
    ),
  )
  if (rows.length === 0) return ['No accuracy was measured: no data was given.', '']
  return [f.measured ?? '', '', '| variant | metric | value | 95 % interval |', '| --- | --- | --- | --- |', ...rows, '']
}
