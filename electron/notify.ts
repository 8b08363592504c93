import { Notification } from 'electron'
import type { Job } from '../engine/commands/index.ts'

const TITLES: { readonly [S in Job['state']]?: string } = {
  done: 'Done',
  failed: 'Failed',
  interrupted: 'Interrupted: it can be resumed',
}

/** Tell that a job ended, where the system shows such things. A click on it calls `clicked`. */
export function notify(job: Job, clicked: () => void): void {
  const title = TITLES[job.state]
  if (title === undefined || !Notification.isSupported()) return
  const missed = (job.result as { missedGoals?: unknown[] } | null)?.missedGoals?.length ?? 0
  const detail = job.error?.message ?? (missed > 0 ? `${missed} of its goals were missed` : '')
  const notification = new Notification({ title: `${title}: ${job.title}`, body: detail })
  notification.on('click', clicked)
  notification.show()
}
