import type { CommandOutput } from '../../engine/commands/index.ts'
import { bytes, count, facts, table } from '../table.ts'

const shape = ({ name, dtype, shape }: { name: string; dtype: string; shape: readonly (string | number)[] }): string =>
  `${name} ${dtype}[${shape.join(', ')}]`

export default function inspect(result: CommandOutput<'inspect'>): string {
  const blocked = result.missingGradients
  return [
    facts([
      ['format', `${result.format}, opset ${result.opset}, ${result.producer || 'unknown producer'}`],
      ...result.inputs.map((value): [string, string] => ['input', shape(value)]),
      ...result.outputs.map((value): [string, string] => ['output', shape(value)]),
      ['nodes', count(result.nodes)],
      ['parameters', count(result.parameters)],
      ['size', bytes(result.bytes)],
      ['MACs', typeof result.macs !== 'number' ? undefined : count(result.macs)],
      ['activations', typeof result.activationBytes !== 'number' ? undefined : bytes(result.activationBytes)],
      ['differentiable', result.differentiable ? 'yes' : `no: ${count(blocked.length)} nodes without a gradient`],
    ]),
    table(
      ['operator', 'count'],
      Object.entries(result.ops)
        .sort(([, a], [, b]) => b - a)
        .map(([op, n]) => [op, count(n)]),
    ),
    ...(blocked.length > 0
      ? [
          table(
            ['node', 'operator', 'no gradient because'],
            blocked.slice(0, 20).map(({ node, op, reason }) => [node, op, reason]),
          ),
        ]
      : []),
    ...result.warnings.map((warning) => `warning: ${warning}`),
  ].join('\n\n')
}
