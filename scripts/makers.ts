/** electron-builder's targets as a maker of Forge 8, whose own ready-made ones it does not load. */
import { MakerBase, type MakerOptions } from '@electron-forge/maker-base'
import { join, resolve } from 'node:path'

type Platform = 'linux' | 'win32' | 'darwin'
export interface BuilderTarget {
  target: 'AppImage' | 'nsis' | 'dmg'
}

const PLATFORM = { AppImage: 'linux', nsis: 'win32', dmg: 'darwin' } as const
/** What electron-builder calls the platforms. */
const FIELD = { linux: 'linux', win32: 'win', darwin: 'mac' } as const

/** Makes one installer of electron-builder from the folder that Forge packaged. It fetches its tools itself, so it needs a network once. */
export class BuilderMaker extends MakerBase<BuilderTarget> {
  override name: string
  override defaultPlatforms: Platform[]

  // Forge makes each maker anew with these two arguments.
  constructor(config: BuilderTarget, platforms: Platform[] = [PLATFORM[config.target]]) {
    super(config, platforms)
    this.name = `builder-${config.target}`
    this.defaultPlatforms = platforms
  }

  override isSupportedOnCurrentPlatform(): boolean {
    return this.config.target !== 'dmg' || process.platform === 'darwin'
  }

  override async make({ dir, makeDir, targetArch, targetPlatform, appName, packageJSON }: MakerOptions): Promise<string[]> {
    const { build } = await import('electron-builder')
    const { license, devDependencies } = packageJSON as { license: string; devDependencies: { electron: string } }
    return build({
      prepackaged: resolve(dir),
      [FIELD[targetPlatform as Platform]]: [`${this.config.target}:${targetArch}`],
      publish: 'never',
      config: {
        appId: 'org.stillroom.app',
        productName: appName,
        copyright: license,
        npmRebuild: false,
        electronVersion: devDependencies.electron,
        directories: { output: join(makeDir, this.name) },
        fileAssociations: [{ ext: 'onnx', name: 'ONNX model', role: 'Viewer', icon: 'assets/icon' }],
        linux: { category: 'Development', icon: 'assets/icon.png', mimeTypes: ['application/x-onnx'] },
        win: { icon: 'assets/icon.ico' },
        mac: { icon: 'assets/icon.icns', category: 'public.app-category.developer-tools' },
      },
    })
  }
}
