// Runs in the studio window before its page, sandboxed and isolated from it; hands the page `window.desktop`.
// No logic here: the object and its checks are desktop-api.ts.
import { contextBridge, ipcRenderer } from 'electron';
import { createDesktopApi } from './desktop-api.ts';

contextBridge.exposeInMainWorld('desktop', createDesktopApi(ipcRenderer));
