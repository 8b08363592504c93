import { createHash } from 'node:crypto'
import { DataError } from '../../errors.ts'
import { arrayOf, readNpz, type Arrays } from '../format/npz.ts'
import { denseRows, type Dense } from '../format/sparse.ts'
import { isZip } from '../format/zip.ts'
import { defineReader, type Source } from '../reader.ts'
import type { DataSet, OwnSplits } from '../types.ts'

const EDGES = ['edges', 'edge_index']
/** Planetoid's validation part: this many nodes after the labelled ones (Yang et al. 2016, Kipf and Welling 2017). */
const PLANETOID_VALIDATION = 500

/** What a graph file says, nodes in their own numbering. */
interface Graph {
  features: Dense
  /** Class of each node, -1 where unknown. */
  labels: Int32Array | undefined
  classes: number
  /** Pairs of nodes, [count][2]. */
  edges: ArrayLike<number>
  parts: Record<'train' | 'validation' | 'test', number[]> | undefined
  warnings: string[]
}

/**
 * A graph whose nodes are the samples: an NPZ file with `x` (or the parts of a sparse matrix `x_…`), `y`, `edge_index` [2, E] or `edges`
 * [E, 2] and `train_mask`, `val_mask`, `test_mask`, or with the arrays of the Planetoid sets (`allx`, `tx`, `ally`, `ty`, `test_index`).
 */
export default defineReader({
  id: 'graph',
  title: 'an NPZ file of a graph (features, edges, labels, masks)',
  recognises: isGraphFile,

  async open({ spec, name }, { labels }) {
    const arrays = await readNpz(spec)
    const graph = arrays.has('allx_data') ? planetoid(arrays, spec) : masked(arrays, spec)
    return graphSet(name, spec, graph, labels === 'on')
  },
})

/** An NPZ file that names edges. */
export async function isGraphFile({ spec, name, head }: Source): Promise<boolean> {
  if (!isZip(head) || !/\.npz$/i.test(name)) return false
  const names = await readNpz(spec).catch(() => undefined)
  return EDGES.some((edges) => names?.has(edges)) || (names?.has('allx_data') ?? false)
}

function graphSet(name: string, where: string, graph: Graph, labelled: boolean): DataSet {
  const { rows: length, columns, values } = graph.features
  // Parts are ranges, so nodes are put in the order train, validation, test, the rest.
  const { order, splits } = ordered(length, graph.parts)
  const place = new Int32Array(length)
  order.forEach((node, at) => (place[node] = at))
  const moved = new Float32Array(values.length)
  order.forEach((node, at) => moved.set(values.subarray(node * columns, (node + 1) * columns), at * columns))
  const labels = labelled && graph.labels ? Int32Array.from(order, (node) => graph.labels![node]!) : undefined
  const edges = bothWays(graph.edges, place, where)
  let hash: string | undefined
  return {
    name,
    format: 'graph',
    kind: 'graph',
    length,
    sample: { shape: [columns], dtype: 'float32' },
    shared: [{ name: 'edge_index', shape: [2, edges.length / 2], values: edges }],
    labelled: labels !== undefined,
    ...(labels ? { labels, classes: Array.from({ length: graph.classes }, (_, i) => String(i)) } : {}),
    ...(splits ? { splits } : {}),
    warnings: [`${edges.length / 2} directed edges; every batch is the whole graph`, ...graph.warnings],
    contentHash() {
      hash ??= createHash('sha256').update(`graph ${columns} `).update(bytesOf(moved)).update(bytesOf(edges)).digest('hex')
      return Promise.resolve(hash)
    },
    read(indices) {
      const out = new Float32Array(indices.length * columns)
      indices.forEach((i, n) => out.set(moved.subarray(i * columns, (i + 1) * columns), n * columns))
      const own = labels ? { labels: Int32Array.from(indices, (i) => labels[i]!) } : {}
      return Promise.resolve({ kind: 'tensor', count: indices.length, shape: [columns], values: out, ...own })
    },
  }
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

function ordered(length: number, parts: Graph['parts']): { order: Int32Array; splits?: OwnSplits } {
  if (!parts) return { order: Int32Array.from({ length }, (_, i) => i) }
  const { train, validation, test } = parts
  const used = new Set([...train, ...validation, ...test])
  const rest = Array.from({ length }, (_, i) => i).filter((i) => !used.has(i))
  const [a, b] = [train.length, train.length + validation.length]
  const splits: OwnSplits = { train: [0, a], test: [b, b + test.length], ...(validation.length ? { validation: [a, b] } : {}) }
  return { order: Int32Array.from([...train, ...validation, ...test, ...rest]), splits }
}

/** Each pair in both directions, once, without loops: [2, E], sources then targets. Throws DataError for a node that is not there. */
function bothWays(pairs: ArrayLike<number>, place: Int32Array, where: string): Float32Array {
  const length = place.length
  const seen = new Set<number>()
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [a, b] = [place[pairs[i]!], place[pairs[i + 1]!]]
    if (a === undefined || b === undefined)
      throw new DataError(`edge ${i / 2}: expected nodes from 0 to ${length - 1}, found ${pairs[i]} and ${pairs[i + 1]}`, { where })
    if (a === b) continue
    seen.add(a * length + b)
    seen.add(b * length + a)
  }
  const sorted = Float64Array.from(seen).sort()
  return Float32Array.from([...sorted].map((key) => Math.floor(key / length)).concat([...sorted].map((key) => key % length)))
}

/** The Planetoid arrays: `allx` are all nodes but the test ones, the first of which (`x`) are labelled for training. */
function planetoid(arrays: Arrays, where: string): Graph {
  const [known, tested] = [denseRows(arrays, 'allx', where), denseRows(arrays, 'tx', where)]
  const [knownLabels, testedLabels] = [arrayOf(arrays, 'ally', where), arrayOf(arrays, 'ty', where)]
  const testIndex = Array.from(arrayOf(arrays, 'test_index', where).data)
  const edges = arrayOf(arrays, 'edges', where)
  const length = arrays.has('num_nodes') ? arrayOf(arrays, 'num_nodes', where).data[0]! : known.rows + tested.rows
  const { columns } = known
  if (tested.columns !== columns || tested.rows !== testIndex.length)
    throw new DataError(
      `expected ${testIndex.length} test rows of ${columns} features, found ${tested.rows} of ${tested.columns}`,
      {
        where,
      },
    )
  if (testIndex.some((i) => !(i >= known.rows && i < length)))
    throw new DataError(`expected test nodes from ${known.rows} to ${length - 1}`, { where: `${where}: test_index` })
  const classes = knownLabels.dims[1]!
  const values = new Float32Array(length * columns)
  values.set(known.values)
  const labels = new Int32Array(length).fill(-1)
  const classAt = (rows: ArrayLike<number>, row: number) => {
    for (let k = 0; k < classes; k++) if (rows[row * classes + k] === 1) return k
    return -1
  }
  for (let i = 0; i < known.rows; i++) labels[i] = classAt(knownLabels.data, i)
  testIndex.forEach((node, i) => {
    values.set(tested.values.subarray(i * columns, (i + 1) * columns), node * columns)
    labels[node] = classAt(testedLabels.data, i)
  })
  const train = arrayOf(arrays, 'y', where).dims[0]!
  const missing = length - known.rows - tested.rows
  const range = (from: number, count: number) => Array.from({ length: Math.max(0, count) }, (_, i) => from + i)
  return {
    features: { rows: length, columns, values },
    labels,
    classes,
    edges: edges.data,
    parts: {
      train: range(0, train),
      validation: range(train, Math.min(PLANETOID_VALIDATION, known.rows - train)),
      test: [...testIndex].sort((a, b) => a - b),
    },
    warnings: missing > 0 ? [`${missing} isolated nodes have neither features nor a class`] : [],
  }
}

/** The arrays of PyTorch Geometric's data objects. */
function masked(arrays: Arrays, where: string): Graph {
  const features = arrays.has('x_data') ? denseRows(arrays, 'x', where) : denseOf(arrays, where)
  const { rows } = features
  const y = arrays.has('y') ? arrayOf(arrays, 'y', where) : undefined
  if (y && y.data.length !== rows)
    throw new DataError(`expected a class for each of the ${rows} nodes, found shape [${y.dims.join(', ')}]`, {
      where: `${where}: y`,
    })
  const labels = y && Int32Array.from(y.data)
  const part = (name: string) => {
    if (!arrays.has(name)) return undefined
    const mask = arrayOf(arrays, name, where).data
    if (mask.length !== rows)
      throw new DataError(`expected ${rows} entries, one for each node, found ${mask.length}`, { where: `${where}: ${name}` })
    return Array.from({ length: rows }, (_, i) => i).filter((i) => mask[i])
  }
  const [train, validation, test] = [part('train_mask'), part('val_mask'), part('test_mask')]
  return {
    features,
    labels,
    classes: labels ? labels.reduce((a, b) => Math.max(a, b), 0) + 1 : 0,
    edges: edgesOf(arrays, where),
    parts: train && test ? { train, validation: validation ?? [], test } : undefined,
    warnings: [],
  }
}

function denseOf(arrays: Arrays, where: string): Dense {
  const { dims, data } = arrayOf(arrays, 'x', where)
  if (dims.length !== 2)
    throw new DataError(`expected features [nodes, features], found shape [${dims.join(', ')}]`, { where: `${where}: x` })
  return { rows: dims[0]!, columns: dims[1]!, values: Float32Array.from(data) }
}

/** Pairs one after the other, from [E, 2] or [2, E]. */
function edgesOf(arrays: Arrays, where: string): ArrayLike<number> {
  const name = EDGES.find((edges) => arrays.has(edges))!
  const { dims, data } = arrayOf(arrays, name, where)
  if (dims.length === 2 && dims[1] === 2 && (name === 'edges' || dims[0] !== 2)) return data
  if (dims.length !== 2 || dims[0] !== 2)
    throw new DataError(`expected edges [count, 2] or [2, count], found shape [${dims.join(', ')}]`, { where: `${where}: ${name}` })
  const count = dims[1]!
  return Array.from({ length: 2 * count }, (_, i) => data[(i % 2) * count + Math.floor(i / 2)]!)
}
