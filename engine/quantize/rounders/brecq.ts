import { defineRounder, leastSquares } from '../rounder.ts'

export default defineRounder({
  id: 'brecq',
  title: 'Block reconstruction (BRECQ)',
  why: 'Learns the rounding of residual blocks as a whole, weighed by what matters to the answer; the slowest, for few bits.',
  source: 'Li et al. 2021, arXiv:2102.05426',
  needsInputs: false,
  learns: 'block',
  round: leastSquares,
})
