/**
 * The families of small files whose lists are generated: a new file is in its list after `npm run gen`, and nothing else has to know it.
 * No file registers itself on import, so nothing depends on import order and a repeated id is found by a test.
 */
export interface Family {
  /** What the list holds, in messages. */
  what: string
  /** Folder of the list, from the repository's root; the list is its `list.gen.ts`. */
  folder: string
  /** Files of the family, relative to the folder. `index.ts`, tests and generated files never belong to it. */
  files: string
  /** Files that match and are no members: shared helpers of the family. */
  except?: readonly string[]
  /** `default`: one default export a file. `named`: every exported constant that is not a function, or that `only` allows. */
  exports: 'default' | 'named'
  only?: RegExp
  /** The list's name. */
  list: string
  /** Type of a member and the module that has it, relative to the folder. */
  type?: { name: string; from: string }
  /** The field that must differ between members. */
  id: string
}

export const FAMILIES: readonly Family[] = [
  { what: 'operator rules', folder: 'engine/ops', files: 'rules/*.ts', exports: 'named', only: /^[A-Z]/, list: 'ops', id: 'type' },
  { what: 'lowerings', folder: 'engine/passes', files: 'lower/*.ts', exports: 'named', list: 'lowerings', id: 'id' },
  { what: 'rewrites', folder: 'engine/passes/rewrites', files: '*.ts', exports: 'default', list: 'rewrites', id: 'id' },
  { what: 'loss terms', folder: 'engine/losses', files: '*.ts', exports: 'default', list: 'losses', id: 'id' },
  { what: 'optimizers', folder: 'engine/optim/optimizers', files: '*.ts', exports: 'default', list: 'optimizers', id: 'id' },
  { what: 'schedules', folder: 'engine/optim/schedules', files: '*.ts', exports: 'default', list: 'schedules', id: 'id' },
  { what: 'metrics', folder: 'engine/metrics', files: '*.ts', exports: 'default', list: 'metrics', id: 'id' },
  { what: 'data readers', folder: 'engine/data/readers', files: '*.ts', exports: 'default', list: 'readers', id: 'id' },
  { what: 'augmentations', folder: 'engine/data/augment', files: '*.ts', exports: 'default', list: 'augmentations', id: 'id' },
  {
    what: 'student templates',
    folder: 'engine/students/templates',
    files: '*.ts',
    exports: 'default',
    list: 'templates',
    id: 'id',
  },
  { what: 'quantization schemes', folder: 'engine/quantize/schemes', files: '*.ts', exports: 'default', list: 'schemes', id: 'id' },
  { what: 'methods', folder: 'engine/methods', files: '*/*.ts', exports: 'default', list: 'methods', id: 'id' },
  {
    what: 'store migrations',
    folder: 'engine/runs/migrations',
    files: '[0-9]*-*.ts',
    exports: 'default',
    list: 'migrations',
    id: 'id',
  },
]
