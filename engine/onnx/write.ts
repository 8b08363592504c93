import type { Model } from '../ir/index.ts'
import { encodeMessage } from './encode.ts'
import { modelMessage, type Placement } from './toMessage.ts'
import { isExternal } from './tensor.ts'

/** Brings external data into the message. */
export const inline: Placement = (tensor, message) => {
  if (!isExternal(message)) return message
  const { external_data: _place, data_location: _where, ...rest } = message
  return { ...rest, raw_data: tensor.bytes }
}

/**
 * Bytes of a model, its external data included; equal models give equal bytes.
 * Errors: ModelError beyond 2 GiB, or when external data cannot be read.
 */
export const encodeModel = (model: Model): Uint8Array => encodeMessage('ModelProto', modelMessage(model, inline))
