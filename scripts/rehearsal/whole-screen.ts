// Looks at what a fan has on the screen, whichever of the page's videos it is: when there was a new picture, and whether
// what stands there is black. Installed before the page loads; runs in the page, uses nothing from this module.

export type Shown = {
  /** Epoch ms, and the id of the video that was in front. */
  pictures: { atMs: number; from: string }[];
  /** Looks at the screen, and how many of them found nothing or black. */
  looks: number;
  black: number;
  /** Starts anew; the page is the same one as long as this lives. */
  clear(): void;
};

declare global {
  interface Window {
    wholeScreen: Shown;
  }
}

const lookEveryMs = 100;

/** For `page.addInitScript(installWholeScreen, lookEveryMs)`. */
export const installWholeScreen = (everyMs: number): void => {
  const epoch = () => performance.timeOrigin + performance.now();
  const shown: Shown = {
    pictures: [],
    looks: 0,
    black: 0,
    clear: () => {
      shown.pictures.length = 0;
      shown.looks = 0;
      shown.black = 0;
    },
  };
  window.wholeScreen = shown;
  const followed = new Set<HTMLVideoElement>();
  /** Videos lie over each other in the order of the document; one without a picture hides nothing that matters. */
  const inFront = (): HTMLVideoElement | undefined =>
    [...followed].filter((video) => video.checkVisibility()).at(-1);
  const follow = (video: HTMLVideoElement) => {
    followed.add(video);
    const next = () => {
      if (inFront() === video) shown.pictures.push({ atMs: epoch(), from: video.id });
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  };
  new MutationObserver(() => {
    for (const video of document.querySelectorAll('video')) if (!followed.has(video)) follow(video);
  }).observe(document, { childList: true, subtree: true });

  const canvas = new OffscreenCanvas(32, 18);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  /** Not one part of it is brighter than the darkest grey. */
  const isBlack = (video: HTMLVideoElement | undefined): boolean => {
    if (!video || !pen || video.videoWidth === 0) return true;
    pen.clearRect(0, 0, 32, 18);
    pen.drawImage(video, 0, 0, 32, 18);
    const { data } = pen.getImageData(0, 0, 32, 18);
    for (let n = 0; n < data.length; n += 4) {
      if (Math.max(data[n] ?? 0, data[n + 1] ?? 0, data[n + 2] ?? 0) > 32) return false;
    }
    return true;
  };
  setInterval(() => {
    if (shown.pictures.length === 0 && shown.looks === 0) return; // Nothing has ever been on it.
    shown.looks += 1;
    if (isBlack(inFront())) shown.black += 1;
  }, everyMs);
};

export const wholeScreenEveryMs = lookEveryMs;
