// What the stand-in runs in every document before the page: the preload with its sandboxed `require`, hooks that report
// permission requests to the app's handlers before Chromium itself decides, and hooks that report new windows instead of
// opening them (closing a popup after the fact let its first request out now and then). Browser JavaScript as text.
// Not shown by it: that the preload's world is isolated from the page's. Electron does that; here both share one.

/** Names of the bindings the stand-in exposes to pages. */
export const bindings = {
  invoke: '__electronInvoke',
  permission: '__electronPermission',
  display: '__electronDisplay',
  open: '__electronOpen',
  deliver: '__electronDeliver',
} as const;

/** `preload` is the source of the built preload, run in top frames only. */
export const pageScript = (preload: string | undefined): string => `(() => {
  const ask = window['${bindings.permission}'];
  const ask1 = async (kind, permission, mediaTypes) => { if (ask) await ask({ kind, permission, mediaTypes }); };

  const devices = navigator.mediaDevices;
  if (devices) {
    const getUserMedia = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (constraints) => {
      const mediaTypes = ['audio', 'video'].filter((kind) => constraints && constraints[kind]);
      await ask1('request', 'media', mediaTypes);
      return getUserMedia(constraints);
    };
    // Headless Chromium has no screen to show: what the handler grants becomes a blank picture named after it.
    devices.getDisplayMedia = async (constraints) => {
      const granted = await window['${bindings.display}'](Boolean(constraints && constraints.video));
      if (granted === null) throw new DOMException('Permission denied', 'NotAllowedError');
      const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
      canvas.getContext('2d').fillRect(0, 0, 320, 180);
      const stream = canvas.captureStream(5);
      Object.defineProperty(stream.getVideoTracks()[0], 'label', { value: granted });
      return stream;
    };
    const enumerateDevices = devices.enumerateDevices.bind(devices);
    devices.enumerateDevices = async () => {
      await ask1('check', 'media', ['audio', 'video']);
      return enumerateDevices();
    };
  }
  const locate = navigator.geolocation && navigator.geolocation.getCurrentPosition.bind(navigator.geolocation);
  if (locate) {
    navigator.geolocation.getCurrentPosition = (done, failed, options) => {
      ask1('request', 'geolocation').then(() => locate(done, failed, options), failed);
    };
  }
  if (window.Notification) {
    const request = Notification.requestPermission.bind(Notification);
    Notification.requestPermission = async () => { await ask1('request', 'notifications'); return request(); };
  }

  // No window is ever made here, and none is made in Electron when the handler denies: so ask, and open nothing.
  const open = (url) => { if (window['${bindings.open}']) window['${bindings.open}'](new URL(url, document.baseURI).href); };
  window.open = (url) => { open(url || 'about:blank'); return null; };
  window.addEventListener('click', (event) => {
    const link = event.target instanceof Element && event.target.closest('a[href][target]');
    if (!link || event.defaultPrevented || ['', '_self', '_top', '_parent'].includes(link.target)) return;
    event.preventDefault();
    open(link.href);
  });

  if (window.top !== window) return;
  const listeners = new Map();
  window['${bindings.deliver}'] = (channel, args) => {
    for (const listener of [...(listeners.get(channel) || [])]) listener({}, ...args);
  };
  const ipcRenderer = {
    invoke: (channel, ...args) => window['${bindings.invoke}'](channel, args).catch((error) => {
      throw new Error("Error invoking remote method '" + channel + "': " + error.message);
    }),
    on: (channel, listener) => { listeners.set(channel, [...(listeners.get(channel) || []), listener]); },
    off: (channel, listener) => {
      listeners.set(channel, (listeners.get(channel) || []).filter((other) => other !== listener));
    },
  };
  // Functions become proxies, data is copied, errors keep their message only: what Electron's contextBridge lets through.
  const across = (value) => {
    if (typeof value === 'function') {
      return (...args) => {
        const result = value(...args);
        return result instanceof Promise
          ? result.then(across, (error) => { throw new Error(error.message); })
          : across(result);
      };
    }
    if (value === null || typeof value !== 'object') return value;
    if (ArrayBuffer.isView(value)) return value.slice();
    if (Array.isArray(value)) return Object.freeze(value.map(across));
    return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, across(inner)])));
  };
  const contextBridge = {
    exposeInMainWorld: (key, api) =>
      Object.defineProperty(window, key, { value: across(api), writable: false, configurable: false, enumerable: true }),
  };
  const require = (name) => {
    if (name === 'electron' || name === 'electron/renderer') return { contextBridge, ipcRenderer };
    throw new Error('A sandboxed preload cannot load ' + name);
  };
  ((require, module, exports) => { ${preload ?? ''}
  })(require, { exports: {} }, {});
})();`;
