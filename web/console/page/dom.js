// Making elements. Text is only ever set as text: what others pushed is shown.

// make gives an element with a class and children, which are nodes or strings.
export function make(tag, className = "", ...children) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  el.append(...children.filter(Boolean));
  return el;
}

export const byId = (id) => document.getElementById(id);

// clock shows a moment: a time in ms since 1970, to the millisecond.
export function clock(at) {
  const d = new Date(at);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

// span shows milliseconds with as many digits as mean something.
export function span(ms) {
  if (ms < 100) return `${Math.max(0, ms).toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

// cut keeps text that is shown in a list short.
export function cut(text, most) {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
