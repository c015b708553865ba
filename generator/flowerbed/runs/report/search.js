
const field = document.getElementById("search"), found = document.getElementById("found");
const lines = Array.from(document.querySelectorAll("#lines li"));
field.parentElement.hidden = false;
field.addEventListener("input", () => {
  const wanted = field.value.toLowerCase();
  let count = 0;
  for (const line of lines) {
    line.hidden = !line.textContent.toLowerCase().includes(wanted);
    count += !line.hidden;
  }
  found.textContent = count + " of " + lines.length + " lines";
});
