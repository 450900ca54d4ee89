"use strict";
(() => {
  const language = document.documentElement.lang;

  // Tables: every heading becomes a button; the order is kept where values are equal.
  const keyOf = (row, index) => row.cells[index].dataset.value;

  const compare = (numeric) => (a, b) =>
    numeric ? Number(a) - Number(b) : a.localeCompare(b, language, { numeric: true });

  const sort = (table, heading) => {
    const index = heading.cellIndex;
    const numeric = heading.classList.contains("number");
    const first = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = heading.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const inOrder = compare(numeric);
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const [one, two] = [keyOf(a, index), keyOf(b, index)];
      if (one === "" || two === "") return (one === "") - (two === "");
      return sign * inOrder(one, two);
    });
    for (const cell of heading.parentElement.cells) cell.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table")) {
    if (table.tBodies[0].rows.length < 2) continue;
    for (const heading of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading));
      heading.append(button);
    }
  }

  // Only what scrolls needs to be reached by the keyboard.
  const reachable = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  reachable();
  addEventListener("resize", reachable);
  document.addEventListener("toggle", reachable, true);

  // Figures: large, in a dialog; Esc, the button or a click beside the figure closes it.
  const box = document.getElementById("lightbox");
  const enlarge = (figure) => {
    const [source, target] = [figure.querySelector("img"), box.querySelector("img")];
    target.src = source.src;
    target.alt = source.alt;
    box.querySelector("p").textContent = figure.querySelector(".finding")?.textContent ?? "";
    box.showModal();
    box.querySelector(".stage").scrollTo(0, 0);
  };
  for (const figure of document.querySelectorAll("figure.picture")) {
    const button = figure.querySelector("button");
    button.hidden = false;
    button.addEventListener("click", () => enlarge(figure));
    figure.querySelector("img").addEventListener("click", () => enlarge(figure));
  }
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });

  // A link into a folded part, and paper, show what is folded away.
  const unfold = (element) => {
    for (let at = element; at; at = at.parentElement?.closest("details")) {
      if (at.tagName === "DETAILS") at.open = true;
    }
  };
  const follow = () => {
    if (location.hash) unfold(document.getElementById(location.hash.slice(1)));
  };
  addEventListener("hashchange", follow);
  follow();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();
