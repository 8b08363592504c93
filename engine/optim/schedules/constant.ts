import { z } from 'zod'
import { defineSchedule } from '../schedule.ts'

/** The peak rate throughout. */
export default defineSchedule({
  id: 'constant',
  title: 'Constant',
  options: z.strictObject({}),
  rate: () => 1,
})
