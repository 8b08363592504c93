/** Names of the three channels between the preload and the main process; there are no others. */
export const CHANNELS = { request: 'stillroom:request', push: 'stillroom:push', files: 'stillroom:files' } as const
