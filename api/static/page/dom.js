// The document, by ids; and new elements of it. What comes from elsewhere gets in as text, and as nothing else.

export function by(id) {
  return document.getElementById(id);
}

// An element: attributes by name (true: without a value; false, null: not at all), functions as `onclick`, children.
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

// Change a text only where it differs, so that what is read aloud is not read again.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

// A sentence in place; "": none.
export function note(element, text) {
  show(element, Boolean(text));
  write(element, text || "");
}

// Keep an element's children as these, by key: what stays is neither made anew nor loses the focus.
export function keep(parent, items, { key, create, update }) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = there.get(name);
    if (child) there.delete(name);
    else {
      child = create(item);
      child.dataset.key = name;
    }
    update?.(child, item);
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  for (const gone of there.values()) gone.remove();
}
