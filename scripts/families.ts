/**
 * The families of small files whose lists are generated: a new file is in its list after `npm run gen`, and nothing else has to know it.
 * No file registers itself on import, so nothing depends on import order and a repeated id is found by a test.
 */
export interface Family {
  /** What the list holds, in messages. */
  what: string
  /** Folder of the list, from the repository's root; the list is its `list.gen.ts`. */
  folder: string
  /** Files of the family, relative to the folder (`*.ts` when left out). `index.ts`, tests and generated files never belong to it. */
  files?: string
  /** The folder has helpers beside the members: a file that exports no member is passed over instead of refused. */
  mixed?: true
  /** Files that match and are no members, where the folder is not mixed. */
  except?: readonly string[]
  /** Members are the exported constants with such a name, several a file; when left out, the default export, one a file. */
  named?: RegExp
  /** The list's name. */
  list: string
  /** Type of a member and the module that has it, relative to the folder. */
  type?: { name: string; from: string }
  /** The field that must differ between members (`id` when left out); `none` where members have no such field. */
  id?: string
}

export const FAMILIES: readonly Family[] = [
  {
    what: 'operator rules',
    folder: 'engine/ops',
    files: 'rules/*.ts',
    named: /^[A-Z][A-Za-z0-9]*$/,
    list: 'ops',
    type: { name: 'OpRule', from: './rule.ts' },
    id: 'type',
  },
  {
    what: 'lowerings',
    folder: 'engine/passes',
    files: 'lower/*.ts',
    named: /./,
    list: 'lowerings',
    type: { name: 'Lowering', from: './lowering.ts' },
    id: 'none',
  },
  { what: 'rewrites', folder: 'engine/passes/rewrites', list: 'rewrites', type: { name: 'Pass', from: '../rewrite.ts' } },
  {
    what: 'optimizers',
    folder: 'engine/optim/optimizers',
    list: 'optimizers',
    type: { name: 'Optimizer', from: '../optimizer.ts' },
  },
  { what: 'schedules', folder: 'engine/optim/schedules', list: 'schedules', type: { name: 'Schedule', from: '../schedule.ts' } },
  { what: 'metrics', folder: 'engine/metrics', mixed: true, list: 'metrics' },
  { what: 'data readers', folder: 'engine/data/readers', list: 'readers', type: { name: 'Reader', from: '../reader.ts' } },
  {
    what: 'augmentations',
    folder: 'engine/data/augment',
    list: 'augmentations',
    type: { name: 'AugmentDefinition', from: '../augment.ts' },
  },
  {
    what: 'student templates',
    folder: 'engine/students/templates',
    list: 'templates',
    type: { name: 'Template', from: '../template.ts' },
  },
  {
    what: 'quantization schemes',
    folder: 'engine/quantize/schemes',
    list: 'schemes',
    type: { name: 'Scheme', from: '../scheme.ts' },
  },
  {
    what: 'weight roundings',
    folder: 'engine/quantize/rounders',
    list: 'rounders',
    type: { name: 'Rounder', from: '../rounder.ts' },
  },
  {
    what: 'calibrators',
    folder: 'engine/quantize/calibrators',
    list: 'calibrators',
    type: { name: 'Calibrator', from: '../calibrator.ts' },
  },
  {
    what: 'causes of a loss',
    folder: 'engine/quantize/why/causes',
    list: 'causes',
    type: { name: 'Cause', from: '../cause.ts' },
  },
  {
    what: 'methods',
    folder: 'engine/methods',
    files: '*/*.ts',
    list: 'methods',
    type: { name: 'Method', from: './method.ts' },
    id: 'key',
  },
  {
    what: 'store migrations',
    folder: 'engine/runs/migrations',
    files: '[0-9]*-*.ts',
    list: 'migrations',
    type: { name: 'Migration', from: '../migrate.ts' },
  },
]
