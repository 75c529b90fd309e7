// Addresses of a product's picture in the sizes the server makes of it (SPEC [IMG1]); it answers in the best format the browser takes.

const widths = [320, 640, 1280] as const;

/**
 * Whether the person or the line asks for fewer bytes (W3C Network Information API, Save Data API). Browsers without these choose by
 * the screen alone.
 */
export const isThinLine = (browser: object = navigator): boolean => {
  const line: unknown = Reflect.get(browser, 'connection');
  if (typeof line !== 'object' || line === null) return false;
  const rate: unknown = Reflect.get(line, 'effectiveType');
  return Reflect.get(line, 'saveData') === true || rate === 'slow-2g' || rate === '2g' || rate === '3g';
};

/**
 * What `img` wants: the browser takes the size that fits its column and screen, on a thin line none of the large ones. Pictures of
 * earlier versions have one size only.
 */
export const pictureSources = (url: string, thin = isThinLine()): { src: string; srcset: string } => {
  if (/\.[a-z0-9]+$/.test(url)) return { src: url, srcset: '' };
  const offered = thin ? widths.slice(0, 2) : widths;
  return {
    src: `${url}?w=640`,
    srcset: offered.map((width) => `${url}?w=${width} ${width}w`).join(', '),
  };
};
