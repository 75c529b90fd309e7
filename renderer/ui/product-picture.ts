// Addresses of a product's picture in the sizes the server makes of it (SPEC [IMG1]); it answers in the best format the browser takes.

const widths = [320, 640, 1280] as const;

/** What `img` wants: the browser takes the size that fits its column and screen. Pictures of earlier versions have one size only. */
export const pictureSources = (url: string): { src: string; srcset: string } =>
  /\.[a-z0-9]+$/.test(url)
    ? { src: url, srcset: '' }
    : {
        src: `${url}?w=640`,
        srcset: widths.map((width) => `${url}?w=${width} ${width}w`).join(', '),
      };
