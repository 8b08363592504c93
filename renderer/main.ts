import { mount } from 'svelte'
import App from './App.svelte'
import { app } from './app/app.svelte.ts'
import { openDoor } from './door/index.ts'
import { pickInPage } from './parts/filePicker.svelte.ts'
import './styles/tokens.css'
import './styles/base.css'
import './styles/controls.css'

const target = document.getElementById('app')!
try {
  await app.open(await openDoor(pickInPage))
  mount(App, { target })
} catch (error) {
  target.setAttribute('role', 'alert')
  target.className = 'unreachable'
  target.textContent = `Stillroom cannot be reached: ${error instanceof Error ? error.message : String(error)}`
}
