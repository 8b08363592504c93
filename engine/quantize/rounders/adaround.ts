import { defineRounder, leastSquares } from '../rounder.ts'

export default defineRounder({
  id: 'adaround',
  title: 'Learned rounding (AdaRound)',
  why: "Learns for each weight whether up or down keeps the layer's output; for few bits where some minutes are no matter.",
  source: 'Nagel et al. 2020, arXiv:2004.10568',
  needsInputs: false,
  learns: 'layer',
  round: leastSquares,
})
