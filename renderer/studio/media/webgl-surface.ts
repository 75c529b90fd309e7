// The WebGL2 calls of webgl-backend.ts, and nothing else of it: textures, targets to draw into, one program that draws a
// textured rectangle, one that packs a picture into I420. Row 0 of every texture is the top of its picture.
// Not its job: scenes, layers, or what is drawn in which order.

import type { PixelRect } from './placement.ts';
import type { Size } from './scene.ts';

/** A picture that can be drawn into and then be drawn with. */
export interface Target extends Size {
  readonly texture: WebGLTexture;
  readonly framebuffer: WebGLFramebuffer;
}

export interface TexturedRect {
  readonly texture: WebGLTexture;
  /** In pixels of the target; may lie partly outside. */
  readonly target: PixelRect;
  /** Where left top, right top, left bottom and right bottom lie in the texture, 0..1. */
  readonly uv: readonly number[];
  /** 1 without it. */
  readonly opacity?: number;
  /** A cube made by `createCube`. */
  readonly grade?: WebGLTexture | null;
  /** The texture's own alpha counts; sources are solid whatever they say. */
  readonly hasAlpha?: boolean;
}

/** Turns a target into the bytes of an I420 picture. */
export interface Packer {
  /** The same bytes again and again: use them before the next call. */
  pack(from: Target): Uint8Array<ArrayBuffer>;
  close(): void;
}

export interface Surface {
  /** What draws, as the browser names it. */
  readonly renderer: string;
  /** True when the browser took the card away: nothing drawn from now on is right. */
  isLost(): boolean;
  createTexture(): WebGLTexture;
  deleteTexture(texture: WebGLTexture): void;
  uploadFrame(texture: WebGLTexture, frame: VideoFrame): void;
  uploadPixels(texture: WebGLTexture, rgba: Uint8ClampedArray, size: Size): void;
  /** From RGBA bytes of `size` points along each axis, red running fastest. */
  createCube(rgba: Uint8Array, size: number): WebGLTexture;
  createTarget(size: Size): Target;
  deleteTarget(target: Target): void;
  /** What follows is drawn into this. */
  begin(target: Target): void;
  fill(area: PixelRect, rgb: readonly [number, number, number]): void;
  drawTexture(rect: TexturedRect): void;
  /** RGBA bytes of a small target; waits for the card. */
  read(target: Target): Uint8Array<ArrayBuffer>;
  createPacker(size: Size): Packer;
  close(): void;
}

const rectVertex = `#version 300 es
in vec2 place;
in vec2 uv;
uniform vec2 size;
out vec2 at;
void main() {
  at = uv;
  gl_Position = vec4(place / size * 2.0 - 1.0, 0.0, 1.0);
}`;

const rectFragment = `#version 300 es
precision highp float;
precision highp sampler3D;
in vec2 at;
uniform sampler2D picture;
uniform sampler3D cube;
uniform float cubeSize;
uniform float opacity;
uniform bool hasAlpha;
out vec4 colour;
void main() {
  vec4 seen = texture(picture, at);
  if (cubeSize > 0.0) {
    vec3 point = (clamp(seen.rgb, 0.0, 1.0) * (cubeSize - 1.0) + 0.5) / cubeSize;
    seen.rgb = texture(cube, point).rgb;
  }
  colour = vec4(seen.rgb, (hasAlpha ? seen.a : 1.0) * opacity);
}`;

const packVertex = `#version 300 es
in vec2 place;
void main() {
  gl_Position = vec4(place, 0.0, 1.0);
}`;

// Each texel is four bytes of the I420 picture in their order: luma, then U, then V. BT.601 limited.
const packFragment = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D picture;
uniform ivec2 size;
uniform int texelsPerRow;
out vec4 bytes;
float luma(vec3 c) { return 16.0 + 219.0 * dot(c, vec3(0.299, 0.587, 0.114)); }
vec3 block(ivec2 p) {
  ivec2 q = p * 2;
  return 0.25 * (texelFetch(picture, q, 0).rgb + texelFetch(picture, q + ivec2(1, 0), 0).rgb +
    texelFetch(picture, q + ivec2(0, 1), 0).rgb + texelFetch(picture, q + ivec2(1, 1), 0).rgb);
}
float byteAt(int i) {
  int lumas = size.x * size.y;
  if (i < lumas) return luma(texelFetch(picture, ivec2(i % size.x, i / size.x), 0).rgb);
  ivec2 half_ = size / 2;
  int chromas = half_.x * half_.y;
  int j = i - lumas;
  if (j >= 2 * chromas) return 0.0;
  bool isV = j >= chromas;
  int k = isV ? j - chromas : j;
  vec3 c = block(ivec2(k % half_.x, k / half_.x));
  return isV
    ? 128.0 + 224.0 * dot(c, vec3(0.5, -0.418688, -0.081312))
    : 128.0 + 224.0 * dot(c, vec3(-0.168736, -0.331264, 0.5));
}
void main() {
  ivec2 texel = ivec2(gl_FragCoord.xy);
  int first = (texel.y * texelsPerRow + texel.x) * 4;
  bytes = vec4(byteAt(first), byteAt(first + 1), byteAt(first + 2), byteAt(first + 3)) / 255.0;
}`;

/** Throws where there is no WebGL2. */
export function createSurface(): Surface {
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext('webgl2', {
    alpha: false,
    antialias: false,
    depth: false,
    powerPreference: 'high-performance',
  });
  if (context === null) throw new Error('This browser has no WebGL2.');
  const gl: WebGL2RenderingContext = context;

  const need = <T>(made: T | null): T => {
    if (made === null) throw new Error('The graphics card has no room left.');
    return made;
  };

  const compile = (kind: number, source: string): WebGLShader => {
    const shader = need(gl.createShader(kind));
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    return shader;
  };
  const link = (vertex: string, fragment: string): WebGLProgram => {
    const program = need(gl.createProgram());
    gl.attachShader(program, compile(gl.VERTEX_SHADER, vertex));
    gl.attachShader(program, compile(gl.FRAGMENT_SHADER, fragment));
    gl.bindAttribLocation(program, 0, 'place');
    gl.bindAttribLocation(program, 1, 'uv');
    gl.linkProgram(program);
    if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true && !gl.isContextLost()) {
      throw new Error(
        `The graphics card takes no shader: ${gl.getProgramInfoLog(program) ?? 'no reason given'}`,
      );
    }
    return program;
  };

  const rects = link(rectVertex, rectFragment);
  const at = (name: string): WebGLUniformLocation | null => gl.getUniformLocation(rects, name);
  const uniforms = {
    size: at('size'),
    cubeSize: at('cubeSize'),
    opacity: at('opacity'),
    hasAlpha: at('hasAlpha'),
  };
  gl.useProgram(rects);
  gl.uniform1i(at('picture'), 0);
  gl.uniform1i(at('cube'), 1);

  const corners = need(gl.createBuffer());
  gl.bindBuffer(gl.ARRAY_BUFFER, corners);
  gl.enableVertexAttribArray(0);
  gl.enableVertexAttribArray(1);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 16, 0);
  gl.vertexAttribPointer(1, 2, gl.FLOAT, false, 16, 8);
  gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);

  const cubeSizes = new Map<WebGLTexture, number>();
  // A sampler must have something to look at, whether it is used or not.
  const noCube = need(gl.createTexture());

  const clampAndFilter = (kind: number, least: number = gl.LINEAR): void => {
    gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, least);
    gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(kind, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(kind, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.texParameteri(kind, gl.TEXTURE_WRAP_R, gl.CLAMP_TO_EDGE);
  };

  const fillCube = (texture: WebGLTexture, rgba: Uint8Array, points: number): void => {
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_3D, texture);
    clampAndFilter(gl.TEXTURE_3D);
    gl.texImage3D(gl.TEXTURE_3D, 0, gl.RGBA8, points, points, points, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    gl.activeTexture(gl.TEXTURE0);
  };
  fillCube(noCube, new Uint8Array(4), 1);

  const createTarget = (wanted: Size): Target => {
    const { width, height } = wanted;
    const texture = need(gl.createTexture());
    gl.bindTexture(gl.TEXTURE_2D, texture);
    clampAndFilter(gl.TEXTURE_2D);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    const framebuffer = need(gl.createFramebuffer());
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    return { width, height, texture, framebuffer };
  };

  const deleteTarget = ({ texture, framebuffer }: Target): void => {
    gl.deleteFramebuffer(framebuffer);
    gl.deleteTexture(texture);
  };

  const begin = (target: Target): void => {
    gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer);
    gl.viewport(0, 0, target.width, target.height);
    gl.useProgram(rects);
    gl.uniform2f(uniforms.size, target.width, target.height);
  };

  const rendererInfo = gl.getExtension('WEBGL_debug_renderer_info');
  const renderer: unknown = gl.getParameter(rendererInfo?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER);

  return {
    renderer: String(renderer),
    isLost: () => gl.isContextLost(),
    createTexture: () => need(gl.createTexture()),
    deleteTexture(texture) {
      cubeSizes.delete(texture);
      gl.deleteTexture(texture);
    },

    uploadFrame(texture, frame) {
      gl.bindTexture(gl.TEXTURE_2D, texture);
      clampAndFilter(gl.TEXTURE_2D, gl.LINEAR_MIPMAP_LINEAR);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, frame);
      // Far smaller than it was, a picture would shimmer from skipped pixels.
      gl.generateMipmap(gl.TEXTURE_2D);
    },

    uploadPixels(texture, rgba, { width, height }) {
      gl.bindTexture(gl.TEXTURE_2D, texture);
      clampAndFilter(gl.TEXTURE_2D);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    },

    createCube(rgba, points) {
      const texture = need(gl.createTexture());
      fillCube(texture, rgba, points);
      cubeSizes.set(texture, points);
      return texture;
    },

    createTarget,
    deleteTarget,
    begin,

    fill({ x, y, width, height }, rgb) {
      gl.enable(gl.SCISSOR_TEST);
      gl.scissor(x, y, width, height);
      gl.clearColor(rgb[0] / 255, rgb[1] / 255, rgb[2] / 255, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.disable(gl.SCISSOR_TEST);
    },

    drawTexture({ texture, target, uv, opacity = 1, grade = null, hasAlpha = false }) {
      const { x, y, width, height } = target;
      const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = uv;
      const [right, low] = [x + width, y + height];
      const strip = [x, y, a, b, right, y, c, d, x, low, e, f, right, low, g, h];
      gl.bindBuffer(gl.ARRAY_BUFFER, corners);
      gl.bufferData(gl.ARRAY_BUFFER, Float32Array.from(strip), gl.DYNAMIC_DRAW);
      gl.activeTexture(gl.TEXTURE1);
      gl.bindTexture(gl.TEXTURE_3D, grade ?? noCube);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, texture);
      gl.uniform1f(uniforms.cubeSize, grade === null ? 0 : (cubeSizes.get(grade) ?? 0));
      gl.uniform1f(uniforms.opacity, opacity);
      gl.uniform1i(uniforms.hasAlpha, hasAlpha ? 1 : 0);
      if (hasAlpha || opacity < 1) gl.enable(gl.BLEND);
      else gl.disable(gl.BLEND);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    },

    read(target) {
      const bytes = new Uint8Array(target.width * target.height * 4);
      gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer);
      gl.readPixels(0, 0, target.width, target.height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
      return bytes;
    },

    createPacker({ width, height }) {
      const program = link(packVertex, packFragment);
      // Two luma rows in one row of texels: every even width fits.
      const packed = createTarget({ width: width / 2, height: Math.ceil(height * 0.75) });
      const bytes = new Uint8Array(packed.width * packed.height * 4);
      const picture = bytes.subarray(0, (width * height * 3) / 2);
      gl.useProgram(program);
      gl.uniform1i(gl.getUniformLocation(program, 'picture'), 0);
      gl.uniform2i(gl.getUniformLocation(program, 'size'), width, height);
      gl.uniform1i(gl.getUniformLocation(program, 'texelsPerRow'), packed.width);
      const cover = need(gl.createBuffer());
      gl.bindBuffer(gl.ARRAY_BUFFER, cover);
      gl.bufferData(gl.ARRAY_BUFFER, Float32Array.from([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
      const array = need(gl.createVertexArray());
      gl.bindVertexArray(array);
      gl.enableVertexAttribArray(0);
      gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 8, 0);
      gl.bindVertexArray(null);
      return {
        pack(from) {
          gl.bindFramebuffer(gl.FRAMEBUFFER, packed.framebuffer);
          gl.viewport(0, 0, packed.width, packed.height);
          gl.useProgram(program);
          gl.bindVertexArray(array);
          gl.disable(gl.BLEND);
          gl.bindTexture(gl.TEXTURE_2D, from.texture);
          gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
          gl.readPixels(0, 0, packed.width, packed.height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
          gl.bindVertexArray(null);
          return picture;
        },
        close() {
          gl.deleteVertexArray(array);
          gl.deleteBuffer(cover);
          gl.deleteProgram(program);
          deleteTarget(packed);
        },
      };
    },

    close() {
      gl.getExtension('WEBGL_lose_context')?.loseContext();
    },
  };
}
