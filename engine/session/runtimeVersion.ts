import './telemetry.ts'
import { env } from 'onnxruntime-node'

/** Version of ONNX Runtime that computes here: measured times hold for one version only. */
export const runtimeVersion = (): string => env.versions.node ?? env.versions.common
