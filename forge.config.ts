import MakerDeb from '@electron-forge/maker-deb'
import MakerZip from '@electron-forge/maker-zip'
import type { ForgeConfig } from '@electron-forge/shared-types'
import { buildApp } from './scripts/build.ts'
import { BuilderMaker } from './scripts/makers.ts'
import { packApp, UNPACKED } from './scripts/pack.ts'

/**
 * `npm run package` and `npm run make`. STILLROOM_ELECTRON_ZIPS names a folder that holds Electron's archives, for a machine without a network.
 */
const zips = process.env['STILLROOM_ELECTRON_ZIPS']

const config: ForgeConfig = {
  outDir: 'dist/forge',
  packagerConfig: {
    name: 'Stillroom',
    executableName: 'stillroom',
    appBundleId: 'org.stillroom.app',
    icon: 'assets/icon',
    asar: { unpack: UNPACKED },
    // Nothing is taken from the repository as it lies: `packApp` puts in what runs.
    ignore: (path) => path !== '' && path !== '/package.json',
    prune: false,
    extraResource: ['assets/mime.xml'],
    extendInfo: {
      CFBundleDocumentTypes: [{ CFBundleTypeName: 'ONNX model', CFBundleTypeExtensions: ['onnx'], CFBundleTypeRole: 'Viewer' }],
    },
    ...(zips ? { electronZipDir: zips } : {}),
  },
  // The native packages bring their binaries, which know no version of Node or Electron.
  rebuildConfig: { onlyModules: [] },
  makers: [
    new MakerZip({}, ['linux', 'win32', 'darwin']),
    new MakerDeb({
      options: {
        name: 'stillroom',
        bin: 'stillroom',
        categories: ['Development', 'Science'],
        section: 'science',
        icon: 'assets/icon.png',
        mimeType: ['application/x-onnx'],
        scripts: { postinst: 'assets/deb/postinst', prerm: 'assets/deb/prerm' },
        homepage: 'https://stillroom.invalid/',
        maintainer: 'Stillroom maintainers <maintainers@stillroom.invalid>',
      },
    }),
    new BuilderMaker({ target: 'AppImage' }),
    new BuilderMaker({ target: 'nsis' }),
    new BuilderMaker({ target: 'dmg' }),
  ],
  hooks: {
    prePackage: async () => void (await buildApp({ ifStale: true })),
    packageAfterCopy: async (_config, folder, _version, platform, arch) => void packApp(folder, { platform, arch }),
  },
}

export default config
