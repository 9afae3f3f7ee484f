
"use strict";

// The first number of a cell; cells without one stand below all others.
const number = (text) => Number(/[+-]?\d+(\.\d+)?/.exec(text)?.[0] ?? NaN);

function sort(body, column, direction, numeric) {
  const key = (row) => row.cells[column].textContent.trim();
  const compare = (a, b) => {
    if (!numeric) return direction * key(a).localeCompare(key(b), "en", { numeric: true });
    const [x, y] = [number(key(a)), number(key(b))];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return direction * (x - y);
  };
  body.append(...[...body.rows].sort(compare));
}

for (const table of document.querySelectorAll("table")) {
  const headings = [...table.tHead.rows[0].cells];
  if (table.tBodies[0].rows.length < 2) continue;
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    const numeric = heading.classList.contains("number");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const before = heading.getAttribute("aria-sort");
      const first = numeric ? "descending" : "ascending";
      const order = before !== first ? first : numeric ? "ascending" : "descending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      sort(table.tBodies[0], column, order === "ascending" ? 1 : -1, numeric);
    });
  });
}

const seconds = Number(document.body.dataset.reload);
if (seconds) {
  const pause = document.createElement("button");
  const reload = () => setTimeout(() => location.reload(), 1000 * seconds);
  let timer = reload();
  pause.type = "button";
  pause.textContent = "Pause";
  pause.setAttribute("aria-pressed", "false");
  pause.addEventListener("click", () => {
    const paused = pause.getAttribute("aria-pressed") === "false";
    pause.setAttribute("aria-pressed", String(paused));
    clearTimeout(timer);
    if (!paused) timer = reload();
  });
  document.getElementById("live").append(" ", pause);
}
