// Sorts a table's rows when the button in a column's header is pressed.
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const header = button.closest("th");
    const body = button.closest("table").tBodies[0];
    const column = header.cellIndex;
    const direction = header.getAttribute("aria-sort") === "descending" ? 1 : -1;
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction < 0 ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = (a, b) =>
      column === 0 ? a.localeCompare(b) : (a === "" ? -1 : Number(a)) - (b === "" ? -1 : Number(b));
    const rows = [...body.rows].sort((a, b) => direction * compare(value(a), value(b)));
    body.append(...rows);
  });
}
