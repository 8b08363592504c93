import { subgraphs, usageOf, type Graph, type Model, type Node, type Usage } from '../ir/index.ts'
import { constantsOf } from '../passes/index.ts'

export interface Verdict {
  verdict: 'yes' | 'maybe' | 'no'
  /** Groups of nodes that would go to the accelerator, with work on the CPU between them. */
  partitions: number
  /** Share of the nodes that the accelerator takes, 0..1. */
  covered: number
  reasons: string[]
}

interface Accelerator {
  /** Operators that ONNX Runtime's provider documents. */
  ops: ReadonlySet<string>
  /** Convolutions with constant weights in two dimensions only. */
  flat: boolean
  /** Operators that it takes together with one of these beside them, and not alone. */
  together?: { ops: ReadonlySet<string>; with: ReadonlySet<string> }
  /** Takes sizes that are not known when the session is created. */
  dynamic: boolean
  note?: string
}

const set = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/))

/** What ONNX Runtime's providers for phones take, from their documentation (2026). Conditions of single operators are listed there, most are not checked here. */
const ACCELERATORS: Record<string, Accelerator> = {
  nnapi: {
    ops: set(`Abs Add AveragePool BatchNormalization Cast Clip Concat Conv DepthToSpace DequantizeLinear Div Elu Exp Flatten Floor Gather
      Gemm GlobalAveragePool GlobalMaxPool Identity LeakyRelu Log LRN MatMul Max MaxPool Min Mul Neg Pad Pow PRelu QLinearAdd
      QLinearAveragePool QLinearConv QLinearMatMul QLinearSigmoid QuantizeLinear ReduceMean Relu Reshape Resize Sigmoid Sin Slice Softmax
      Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze`),
    flat: true,
    dynamic: false,
    note: 'NNAPI is deprecated from Android 15 on: prefer the CPU or XNNPACK there',
  },
  coreml: {
    ops: set(`Add ArgMax AveragePool BatchNormalization Cast Clip Concat Conv ConvTranspose DepthToSpace Div Elu Erf Exp Flatten Gelu Gemm
      GlobalAveragePool GlobalMaxPool GridSample GroupNormalization HardSigmoid InstanceNormalization LayerNormalization LeakyRelu MatMul
      Max MaxPool Mul Pow PRelu Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Relu Reshape Resize Round Shape Sigmoid
      Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze`),
    flat: false,
    dynamic: false,
  },
  xnnpack: {
    ops: set(
      `AveragePool Conv ConvTranspose Gemm MatMul MaxPool QLinearAveragePool QLinearConv QLinearConvTranspose QLinearSoftmax Resize Softmax`,
    ),
    together: {
      ops: set('Relu Clip QuantizeLinear DequantizeLinear'),
      with: set('Conv ConvTranspose MaxPool AveragePool Softmax'),
    },
    flat: true,
    dynamic: true,
  },
}

/**
 * Whether a model suits the accelerators of phones, by the rules of ONNX Runtime's usability check: one partition with more than 75 %
 * of the nodes is a yes, with more than 50 % a maybe; two partitions with more than 75 % a maybe; anything else a no.
 * Named sizes count as fixed, since an app can fix them when it creates the session; a reason says so.
 */
export function mobileVerdicts(model: Model): Record<string, Verdict> {
  return Object.fromEntries(Object.entries(ACCELERATORS).map(([name, accelerator]) => [name, judge(model, accelerator)]))
}

function judge(model: Model, accelerator: Accelerator): Verdict {
  const { graph } = model
  const reasons: string[] = []
  const unknown = accelerator.dynamic ? undefined : freeSizes(graph, reasons)
  const refused = new Map<string, number>()
  const usage = usageOf(graph)
  const nodes = graph.nodes.filter((node) => node.op !== 'Constant')
  const taken = new Map<Node, boolean>()
  for (const node of nodes) {
    const problem = unknown ?? (isFused(node, usage, accelerator) ? undefined : refusal(node, graph, accelerator))
    taken.set(node, problem === undefined)
    if (problem !== undefined && problem !== unknown) refused.set(problem, (refused.get(problem) ?? 0) + 1)
  }
  const total = nodes.reduce((n, node) => n + 1 + inner(node), 0)
  const covered = total === 0 ? 0 : [...taken.values()].filter(Boolean).length / total
  const partitions = countPartitions(nodes, taken)
  if (unknown !== undefined) reasons.push(unknown)
  for (const [problem, count] of refused) reasons.push(`${problem}: ${count} ${count === 1 ? 'node' : 'nodes'}`)
  if (partitions > 1) reasons.push(`${partitions} partitions: data crosses between accelerator and CPU`)
  if (accelerator.note) reasons.push(accelerator.note)
  return { verdict: verdictOf(partitions, covered), partitions, covered, reasons }
}

export function verdictOf(partitions: number, covered: number): Verdict['verdict'] {
  if (partitions === 1) return covered > 0.75 ? 'yes' : covered > 0.5 ? 'maybe' : 'no'
  return partitions === 2 && covered > 0.75 ? 'maybe' : 'no'
}

/** Why no node can be taken: a size that nothing names. Named ones are a remark. */
function freeSizes(graph: Graph, reasons: string[]): string | undefined {
  let problem: string | undefined
  const named = new Set<string>()
  for (const { name, type } of graph.inputs) {
    if (graph.initializers.has(name) || type?.kind !== 'tensor') continue
    if (!type.shape || type.shape.includes('')) problem = `input '${name}' has sizes that are not known and have no name`
    for (const d of type.shape ?? []) if (typeof d === 'string' && d) named.add(d)
  }
  if (named.size > 0)
    reasons.push(
      `the sizes ${[...named].map((d) => `'${d}'`).join(', ')} have to be fixed when the session is created (free dimension override)`,
    )
  return problem
}

function isFused(node: Node, { producer, consumers }: Usage, { together }: Accelerator): boolean {
  if (!together?.ops.has(node.op) || node.domain !== '') return false
  const beside = [
    ...node.inputs.flatMap((name) => producer.get(name) ?? []),
    ...node.outputs.flatMap((name) => consumers.get(name) ?? []),
  ]
  return beside.some((other) => other.domain === '' && together.with.has(other.op))
}

function refusal(node: Node, graph: Graph, { ops, flat }: Accelerator): string | undefined {
  if (node.domain !== '') return `${node.domain}.${node.op} is not supported`
  if (!ops.has(node.op)) return `${node.op} is not supported`
  if (!/^(Conv|ConvTranspose|Gemm)$/.test(node.op)) return undefined
  const weight = weightOf(node.inputs[1]!, graph)
  if (!weight) return `${node.op} with a computed weight is not supported`
  if (flat && node.op !== 'Gemm' && weight.dims.length !== 4) return `${node.op} is supported in two dimensions only`
  return undefined
}

/** A weight, through the DequantizeLinear of a quantized one. */
function weightOf(name: string, graph: Graph) {
  const constant = constantsOf(graph)
  const before = graph.nodes.find((n) => n.op === 'DequantizeLinear' && n.outputs[0] === name)
  return constant(name) ?? constant(before?.inputs[0])
}

const inner = (node: Node): number => subgraphs(node).reduce((n, g) => n + g.nodes.reduce((m, child) => m + 1 + inner(child), 0), 0)

/** A node of the other kind than what it reads from begins a new stretch; taken nodes in stretches of one depth run together. */
function countPartitions(nodes: readonly Node[], taken: ReadonlyMap<Node, boolean>): number {
  const made = new Map<string, { depth: number; taken: boolean }>()
  const used = new Set<number>()
  for (const node of nodes) {
    const mine = taken.get(node)!
    let depth = 0
    for (const name of node.inputs) {
      const before = made.get(name)
      if (before) depth = Math.max(depth, before.depth + (before.taken === mine ? 0 : 1))
    }
    if (mine) used.add(depth)
    for (const name of node.outputs) made.set(name, { depth, taken: mine })
  }
  return used.size
}
