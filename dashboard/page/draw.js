// Small tools of the page: text that is written only when it changes, rows that are kept, numbers in columns, the chart.

export const $ = (selector, within = document) => within.querySelector(selector);
const TAU = "http://www.w3.org/2000/svg";

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
export function dress(element, name, wanted) {
  if (element.classList.contains(name) !== !!wanted) element.classList.toggle(name, !!wanted);
}
export function mark(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}
export function tip(element, text) {
  if (element.title !== text) element.title = text;
}

// Exactly as many rows as `count`, made once and kept; `cells` are class names.
export function rows(body, count, cells) {
  while (body.rows.length < count) {
    const row = body.insertRow();
    for (const name of cells) row.insertCell().className = name;
  }
  while (body.rows.length > count) body.deleteRow(-1);
  return body.rows;
}

// -- numbers: they come as exact text and are only padded, never computed with --------------------
export const places = (unit) => (unit.includes(".") ? unit.split(".")[1].length : 0);
export function padded(text, count) {
  if (!text) return "";
  const [whole, rest = ""] = text.split(".");
  return count ? `${whole}.${rest.padEnd(count, "0")}` : whole;
}
export function signed(number, count) {
  const text = Math.abs(number).toFixed(count);
  return `${number < 0 && Number(text) ? "−" : "+"}${text}`;
}
export function age(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.floor(s)} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return `${Math.floor(s / 3600)} h`;
}
export const clock = (ms, withMs = false) => {
  const at = new Date(ms), two = (n) => String(n).padStart(2, "0");
  const text = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return withMs ? `${text}.${String(at.getMilliseconds()).padStart(3, "0")}` : text;
};

// -- a chart of the last quarter of an hour: one line per name, zero in it, its span at the right -------
export function chart(svg, points, names) {
  const width = svg.clientWidth, height = svg.clientHeight;
  if (!width || !height) return;
  if (!svg.firstChild) {
    for (const name of ["zero", ...names]) {
      const line = document.createElementNS(TAU, "polyline");
      line.setAttribute("class", name);
      svg.append(line);
    }
    for (const name of ["top", "bottom"]) {
      const text = document.createElementNS(TAU, "text");
      text.setAttribute("class", name);
      svg.append(text);
    }
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (points.length < 2) return;
  const from = points[0].at_ms, until = Math.max(points.at(-1).at_ms, from + 60000);
  const all = points.flatMap((point) => names.map((name) => point[name])).concat(0);
  let low = Math.min(...all), high = Math.max(...all);
  if (high - low < 0.02) { low -= 0.01; high += 0.01; }
  const edge = 54, x = (ms) => ((ms - from) / (until - from)) * (width - edge), y = (value) => 6 + ((high - value) / (high - low)) * (height - 12);
  for (const name of names) {
    $(`.${name}`, svg).setAttribute("points", points.map((point) => `${x(point.at_ms).toFixed(1)},${y(point[name]).toFixed(1)}`).join(" "));
  }
  $(".zero", svg).setAttribute("points", `0,${y(0)} ${width - edge},${y(0)}`);
  for (const [name, value] of [["top", high], ["bottom", low]]) {
    const text = $(`text.${name}`, svg);
    text.setAttribute("x", width);
    text.setAttribute("y", Math.min(height - 3, Math.max(11, y(value) + 4)));
    put(text, signed(value, 2));
  }
}
