declare module 'virtual:notices' {
  /** Licences of the packages that are shipped, by name; made when the page is built. */
  export const notices: readonly { name: string; version: string; license: string; text: string }[]
}
