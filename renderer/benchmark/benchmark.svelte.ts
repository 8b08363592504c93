export const benchmark = { use(_model: string, _against?: string): void {} }
