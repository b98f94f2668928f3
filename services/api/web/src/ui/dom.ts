/** The little that the page needs to build elements. Text only ever becomes text, never markup. */

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no element ${id}`);
  return element as T;
}

type Child = Node | string;

/** An element with classes, a title and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  classes: string,
  children: readonly Child[] = [],
  title?: string,
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (classes !== "") element.className = classes;
  if (title !== undefined) element.title = title;
  element.append(...children);
  return element;
}

/** Set a text only when it differs, so that a reader's selection and a screen reader are left in peace. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setTitle(element: HTMLElement, title: string): void {
  if (element.title !== title) element.title = title;
}
