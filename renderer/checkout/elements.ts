// Elements without a framework: made once, changed in place, so that nothing typed is lost when the stock moves.
// No inline styles and no HTML from text: the page's content security policy holds, and a product's name is only ever text.

type Attributes = Record<string, string | boolean | number | ((event: Event) => void)>;
export type Child = Node | string | null;

/** An element with attributes; functions become listeners (`onclick`), booleans are set or left out. */
export const make = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
};

/** Writing the same words again would make a screen reader say them again. */
export const write = (element: Element, text: string): void => {
  if (element.textContent !== text) element.textContent = text;
};

/** Shown with these words; hidden without any. */
export const say = (element: HTMLElement, text: string): void => {
  write(element, text);
  element.hidden = text === '';
};

let ids = 0;
export const newId = (): string => `f${(ids += 1)}`;

export type View = {
  readonly root: HTMLElement;
  /** Called with every change and twice a second: it touches only what is different. */
  update(): void;
};

/** A number of pieces, by thumb. `bounds` are asked anew with every update. */
export const stepper = (options: {
  label: string;
  value: () => number;
  most: () => number;
  onChange: (value: number) => void;
  disabled: () => boolean;
}): View => {
  const count = make('output', { class: 'stepper-count', 'aria-label': options.label });
  const step = (by: number, label: string, sign: string) =>
    make(
      'button',
      {
        type: 'button',
        'aria-label': `${label}: ${options.label}`,
        onclick: () => options.onChange(options.value() + by),
      },
      sign,
    );
  const less = step(-1, 'One less', '−');
  const more = step(1, 'One more', '+');
  return {
    root: make('div', { class: 'stepper', role: 'group', 'aria-label': options.label }, less, count, more),
    update: () => {
      write(count, String(options.value()));
      less.disabled = options.disabled() || options.value() <= 1;
      more.disabled = options.disabled() || options.value() >= options.most();
    },
  };
};
