import { openStore } from '../runs/index.ts'

/** Mark runs whose host is gone as interrupted; called by the parent of a host that died. Returns their ids. */
export function settleDeadRuns(storePath: string | undefined): string[] {
  const store = openStore(storePath)
  try {
    return store.settleDeadRuns()
  } finally {
    store.close()
  }
}
