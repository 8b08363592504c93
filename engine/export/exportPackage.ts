import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { OptionError, RuntimeError } from '../errors.ts'
import { showShape, type Model, type ValueInfo } from '../ir/index.ts'
import { writeModel } from '../onnx/index.ts'
import { applyPasses, rewrites } from '../passes/index.ts'
import { createSession, type Feeds } from '../session/index.ts'
import { modelCard, type CardFacts } from './card.ts'
import { describeModel, type ModelFacts } from './describe.ts'
import { answers, maxAbsError, writeGolden } from './golden.ts'
import { mobileVerdicts, type Verdict } from './mobile.ts'

export type Variant = 'fp32' | 'fp16' | 'int8' | 'ort'

export interface PackageOptions extends Omit<ModelFacts, 'source'> {
  /** SHA-256 of the source file. */
  source: string
  variants: readonly Variant[]
  /** Replace files of the same names in a folder that holds something. */
  overwrite?: boolean | undefined
  /** The model in half precision, for variant `fp16`. */
  half?: Model | undefined
  /** The integer model, for variant `int8`. */
  quantized?: Model | undefined
  /** Inputs whose answers are shipped and compared. */
  golden: { inputs: Feeds; origin: string }
  metrics?: CardFacts['metrics'] | undefined
  /** How the metrics were measured, one sentence. */
  measured?: string | undefined
}

export interface PackageFile {
  path: string
  bytes: number
  sha256: string
}

export interface Package {
  files: PackageFile[]
  /** `maxAbsError`: of the float files; each file's own in `files`. */
  parity: { maxAbsError: number; files: Record<string, number> }
  mobile: Record<string, Verdict>
  /** The same for the integer file. */
  mobileInt8?: Record<string, Verdict>
}

const NAMES: Record<Variant, string> = { fp32: 'model.onnx', fp16: 'model_fp16.onnx', int8: 'model_int8.onnx', ort: 'model.ort' }
const WHAT: Record<string, string> = {
  'model.onnx': 'float32, ONNX',
  'model_fp16.onnx': 'float16 weights and values, float32 inputs and outputs, ONNX',
  'model_int8.onnx': 'int8 weights and activations, ONNX with QuantizeLinear/DequantizeLinear',
  'model.ort': "float32, ONNX Runtime's own format, optimized without a processor's own layout",
}
/** Largest relative difference between a float file and its source; more means that the file is wrong, not merely rounded. */
const TOLERANCE = 1e-3
/** The same for half precision, whose numbers have 11 bits and whose errors add up over layers. */
const HALF_TOLERANCE = 5e-2

/**
 * Writes the folder an app developer needs: models, preprocessing, labels, numbers, a model card, golden inputs and outputs, and a
 * manifest of it all. Everything is written and checked in a temporary folder first, so a failure leaves nothing behind.
 * Errors: OptionError for a folder that holds something (without `overwrite`) or int8 or fp16 without a
 * model of that kind; RuntimeError when an exported file does not compute what its source does.
 */
export async function exportPackage(model: Model, out: string, o: PackageOptions): Promise<Package> {
  const target = resolve(out)
  refuseFull(target, o.overwrite ?? false)
  if (o.variants.includes('fp16') && !o.half)
    throw new OptionError('variant fp16 needs a model in half precision', { where: 'variants' })
  if (o.variants.includes('int8') && !o.quantized)
    throw new OptionError('variant int8 needs data to calibrate with', { where: 'variants', hint: 'give --data' })
  mkdirSync(dirname(target), { recursive: true })
  const draft = mkdtempSync(`${target}.draft-`)
  try {
    const made = await fill(draft, model, o)
    publish(draft, target)
    return made
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

async function fill(folder: string, source: Model, o: PackageOptions): Promise<Package> {
  const { model } = applyPasses(source, rewritesInOrder())
  const described = describeModel(model, o, 'fp32')
  if (o.variants.includes('fp32')) await writeModel(described, join(folder, NAMES.fp32), { external: 'none' })
  if (o.variants.includes('fp16'))
    await writeModel(describeModel(o.half!, o, 'fp16'), join(folder, NAMES.fp16), { external: 'none' })
  if (o.variants.includes('int8'))
    await writeModel(describeModel(o.quantized!, o, 'int8'), join(folder, NAMES.int8), { external: 'none' })
  if (o.variants.includes('ort')) {
    // 'extended' at most: beyond it convolutions are laid out for this very processor.
    const session = await createSession(describeModel(model, o, 'ort'), {
      level: 'extended',
      threads: 1,
      save: { path: join(folder, NAMES.ort), format: 'ort' },
    })
    await session.release()
  }
  const golden = { ...o.golden, outputs: await answers(source, o.golden.inputs) }
  writeGolden(join(folder, 'golden'), golden)
  const parity = await checkParity(folder, golden)

  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`)
  if (o.preprocess) json('preprocess.json', o.preprocess)
  if (o.labels) writeFileSync(join(folder, 'labels.txt'), `${o.labels.join('\n')}\n`)
  json('metrics.json', { measured: o.measured ?? null, metrics: o.metrics ?? {}, parity })
  const mobile = mobileVerdicts(described)
  const port = ({ name, type }: ValueInfo) => ({
    name,
    text: type?.kind === 'tensor' ? `${type.dtype}${showShape(type.shape)}` : 'not a tensor',
  })
  const weights = listFiles(folder).filter((path) => path in WHAT)
  const card = modelCard({
    ...o,
    inputs: model.graph.inputs.filter((v) => !model.graph.initializers.has(v.name)).map(port),
    outputs: model.graph.outputs.map(port),
    files: weights.map((path) => ({ path, bytes: statSync(join(folder, path)).size, what: WHAT[path]! })),
    metrics: o.metrics ?? {},
    measured: o.measured,
    parity: parity.files,
    golden: o.golden.origin,
    mobile,
  })
  writeFileSync(join(folder, 'model_card.md'), card)
  const files = listFiles(folder).map((path): PackageFile => {
    const bytes = readFileSync(join(folder, path))
    return { path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
  })
  json('manifest.json', {
    format: 'stillroom-package',
    version: 1,
    name: o.name,
    engineVersion: o.engineVersion,
    source: { sha256: o.source },
    files,
  })
  return {
    files,
    parity,
    mobile,
    ...(o.quantized && o.variants.includes('int8') ? { mobileInt8: mobileVerdicts(o.quantized) } : {}),
  }
}

/** Identities first, as they hide what can be folded; what became unused last. */
const rewritesInOrder = () => ['drop-identity', 'fold-batch-norm', 'eliminate-dead'].map((id) => rewrites.find((r) => r.id === id)!)

/** Runs the written files themselves. */
async function checkParity(
  folder: string,
  golden: { inputs: Feeds; outputs: Awaited<ReturnType<typeof answers>> },
): Promise<Package['parity']> {
  const files: Record<string, number> = {}
  let worst = 0
  // Softmax outputs are at most 1, logits are larger: rounding grows with them.
  let size = 1
  for (const value of Object.values(golden.outputs))
    if (value.dtype !== 'string') for (const x of value.numbers()) size = Math.max(size, Math.abs(x))
  for (const name of Object.values(NAMES)) {
    const path = join(folder, name)
    if (!existsSync(path)) continue
    const error = maxAbsError(golden.outputs, await answers(path, golden.inputs))
    files[name] = error
    if (name === NAMES.int8) continue
    if (name !== NAMES.fp16) worst = Math.max(worst, error)
    if (!(error <= (name === NAMES.fp16 ? HALF_TOLERANCE : TOLERANCE) * size))
      throw new RuntimeError(
        `differs from the source model by ${error.toExponential(2)}, outputs being up to ${size.toPrecision(3)}`,
        {
          where: name,
          hint: 'nothing was exported; please report this with the model',
        },
      )
  }
  return { maxAbsError: worst, files }
}

function refuseFull(target: string, overwrite: boolean): void {
  if (!existsSync(target)) return
  if (!statSync(target).isDirectory()) throw new OptionError(`${target} is a file, a folder is expected`, { where: 'out' })
  if (!overwrite && readdirSync(target).length > 0)
    throw new OptionError(`${target} is not empty`, { where: 'out', hint: 'choose another folder, or --overwrite' })
}

/** The draft becomes the folder. Files of other names in a folder that is there stay; its manifest goes first and comes last. */
function publish(draft: string, target: string): void {
  if (existsSync(target) && readdirSync(target).length > 0) {
    rmSync(join(target, 'manifest.json'), { force: true })
    for (const path of [...listFiles(draft).filter((p) => p !== 'manifest.json'), 'manifest.json']) {
      mkdirSync(dirname(join(target, path)), { recursive: true })
      renameSync(join(draft, path), join(target, path))
    }
  } else {
    rmSync(target, { recursive: true, force: true })
    renameSync(draft, target)
  }
}

/** Paths of all files below a folder, with slashes, sorted. */
function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) =>
      join(e.parentPath, e.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}

/** What a package is called, from the path of its model. */
export const packageName = (path: string): string => basename(path).replace(/\.onnx$/, '')
