/**
 * What a window asks for, the same behind the desktop and the browser: in, requests of pages; out, answers and news. Holds the job queue,
 * what the person chose, settings and recent files.
 */
export { browseFiles, type FileBrowser, type Shown } from './listing.ts'
export { type DoorService, type Native, openDoorService, type Page } from './service.ts'
export { readJson, writeJson } from './jsonFile.ts'
export { defaultStorePath } from '../../runs/index.ts'
export { CONTENT_SECURITY_POLICY, PAGE_HEADERS, type PageFile, pageFile } from './page.ts'
