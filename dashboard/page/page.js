// The page: what the bot told, put into the places of index.html. It decides nothing and keeps no truth of its own.

import { connect } from "/link.js";
import { $, age, chart, clock, dress, mark, padded, places, put, rows, signed, tip } from "/draw.js";

const LINES_SHOWN = 200, FILLS_SHOWN = 40, POINTS_KEPT = 900, LIGHT = { green: "●", amber: "◐", red: "■" };
const GROUPS = {
  orders: new Set(["PLACE", "ACK", "CANCEL", "AMEND", "REPRICE", "REJECT", "TIMEOUT", "PENDING"]),
  fills: new Set(["FILL"]), lights: new Set(["LIGHT"]),
};
const ASKS = {
  halt: ["Pause quoting? Orders that stand are canceled; nothing is placed until resume.", "Pause"],
  resume: ["Resume quoting? Places follow with the next green light.", "Resume"],
  "cancel-all": ["Cancel every order of ours and halt until resume?", "Cancel all"],
};
const TILES = [
  ["quoting", "quoting P&L"], ["inventory", "inventory"], ["counts", "waiting / working / unknown"], ["latency", "place to ack p50 / p99"],
  ["done", "fills · placed · canceled"], ["weight", "request weight"], ["proof", "books against the venue's"],
];

const seen = { facts: null, snapshot: null, detail: null, settings: null, latency: null, alive: true, atMs: 0, lines: [], fills: [], points: [] };
let symbol = "", filter = "all", actionToken = sessionStorage.getItem("action") || "";

// -- header ------------------------------------------------------------------------------------------
function showLink({ isUp, refused, retryS, isTrying }) {
  const silentMs = seen.atMs ? performance.now() - seen.atMs : 0;
  const isFine = isUp && seen.atMs && seen.alive;
  dress(document.body, "away", !isUp || !seen.atMs);
  mark($("#link"), "light", isFine ? "green" : isUp && seen.atMs ? "red" : "amber");
  const last = seen.atMs ? `, last heard ${age(silentMs)} ago` : "";
  const again = isTrying ? "trying now" : `trying again in ${retryS.toFixed(0)} s`;
  const state = refused || (isUp ? (!seen.atMs ? "connecting" : seen.alive ? "live" : "the trading thread does not beat") : `disconnected${last}, ${again}`);
  put($("#link span"), state);
  for (const button of document.querySelectorAll("#acts button")) button.disabled = !isUp;
}

function showHeader({ snapshot, facts, settings }) {
  const faults = settings.faults.length ? ", config.yaml has faults" : settings.waiting.length ? `, ${settings.waiting.length} wait for a restart` : "";
  put($("#facts"), `${facts.venue} · ${facts.strategy.replace("_", " ")} · run ${facts.run} · settings ${settings.version}${faults}`);
  tip($("#facts"), [...settings.faults, ...settings.waiting].join("\n"));
  const mode = snapshot.stopping ? `stopping: ${snapshot.stopping}` : snapshot.halted ? `halted by ${snapshot.halted}` : "trading";
  put($("#mode"), mode);
  mark($("#mode"), "mode", snapshot.stopping || snapshot.halted ? "halted" : "on");
  document.title = `${snapshot.sides.some((side) => side.colour === "red") ? "red · " : ""}Greenlight ${facts.venue}`;
}

// -- tiles -------------------------------------------------------------------------------------------
function tiles() {
  const home = $("#tiles");
  for (const [name, label] of TILES) {
    const tile = home.appendChild(document.createElement("div"));
    tile.id = `tile-${name}`;
    tile.append(document.createElement("small"), document.createElement("b"), document.createElement("span"));
    put($("small", tile), label);
  }
}
function tile(name, value, note = "", light = "") {
  const home = $(`#tile-${name}`);
  put($("b", home), value);
  put($("span", home), note);
  tip(home, note);
  mark(home, "light", light);
}
function showTiles({ snapshot, detail, latency, facts, settings }) {
  const quoting = Number(snapshot.pnl_quote) - Number(snapshot.pnl_hold_quote), shown = snapshot.symbols.find((one) => one.symbol === symbol);
  const rules = facts.symbols[symbol], quote = rules.quote;
  tile("quoting", signed(quoting, 2), `${quote} · total ${signed(Number(snapshot.pnl_quote), 2)}`);
  const cap = settings.caps[symbol] ? `of ±${settings.caps[symbol]} ` : "";
  tile("inventory", signed(Number(shown.inventory), places(rules.step)), `${cap}${rules.base}`);
  const unknown = snapshot.sides.reduce((sum, side) => sum + side.unknown, 0);
  const waiting = new Set(detail.calls.filter((call) => call.what !== "query" && !call.unknown).map((call) => call.client_order_id)).size;
  const working = Math.max(0, snapshot.sides.reduce((sum, side) => sum + side.orders.length, 0) - unknown - waiting);
  tile("counts", `${waiting} / ${working} / ${unknown}`, unknown ? "unknown: asking the venue" : "orders", unknown ? "red" : "");
  if (latency && latency.count) tile("latency", `${latency.p50_ms.toFixed(1)} / ${latency.p99_ms.toFixed(1)} ms`, `last ${latency.last_ms.toFixed(1)} · max ${latency.max_ms.toFixed(0)} ms`);
  else tile("latency", "– / –", "no place yet");
  const maker = snapshot.symbols.reduce((sum, one) => sum + one.maker_fills, 0), taker = snapshot.symbols.reduce((sum, one) => sum + one.taker_fills, 0);
  tile("done", `${snapshot.fills} · ${snapshot.orders_placed} · ${snapshot.orders_canceled}`, `maker ${maker} · taker ${taker}`);
  const rejects = Object.values(snapshot.rejects).reduce((sum, count) => sum + count, 0);
  tile("weight", `${snapshot.weight_used} / ${snapshot.weight_limit}`, rejects ? `rejects ${rejects}` : "no rejects");
  const proof = snapshot.proof, old = proof && age((snapshot.at_ns - proof.at_ns) / 1e6);
  tile("proof", proof ? (proof.equal ? "equal" : "DIFFER") : "no proof yet", proof ? `${old} ago · ${snapshot.proofs_equal} equal so far` : "", proof && !proof.equal ? "red" : "");
}

// -- lights ------------------------------------------------------------------------------------------
function showLights({ snapshot }) {
  const list = rows($("#lights tbody"), snapshot.sides.length, ["colour", "who", "why", "r age"]);
  snapshot.sides.forEach((side, index) => {
    const row = list[index], [colour, who, why, since] = row.cells;
    mark(row, "light", side.colour);
    mark(row, "symbol", side.symbol);
    put(colour, `${LIGHT[side.colour] || "?"} ${side.colour}`);
    if (!who.firstChild) who.append(document.createElement("b"), document.createElement("small"));
    put(who.firstChild, `${side.symbol} ${side.side}`);
    put(who.lastChild, `quoted ${(side.uptime * 100).toFixed(1)} %`);
    if (!why.firstChild) why.append(document.createElement("span"), document.createElement("small"));
    const isIdle = side.colour === "green" && side.no_quote_because, count = side.orders.length;
    const first = isIdle ? `no quote: ${side.no_quote_because}` : side.reason;
    put(why.firstChild, first);
    put(why.lastChild, side.clears_when ? `clears: ${side.clears_when}` : isIdle ? side.reason : `${count} order${count === 1 ? "" : "s"} on this side`);
    tip(why, `${first}\n${why.lastChild.textContent}`);
    put(since, age(side.age_ms));
  });
}

// -- ladder ------------------------------------------------------------------------------------------
const RUNGS = 7;
function stateOf(order, calls) {
  const mine = calls.filter((call) => call.client_order_id === order.client_order_id);
  const unknown = mine.find((call) => call.unknown) || mine.find((call) => call.what === "query");
  if (unknown) return ["unknown", "unknown"];
  const call = mine[0];
  if (call) return [{ place: "placing", "place a pair": "placing", cancel: "canceling" }[call.what] || call.what, "pending"];
  if (order.status === "UNSEEN" || order.status === "PENDING_NEW") return ["placing", "pending"];
  if (Number(order.filled)) return [`part ${order.filled}`, "working"];
  return ["working", "working"];
}
function showLadder({ snapshot, detail, facts }) {
  const ladder = detail.ladders.find((one) => one.symbol === symbol), rules = facts.symbols[symbol], shown = snapshot.symbols.find((one) => one.symbol === symbol);
  const orders = new Map(snapshot.sides.filter((side) => side.symbol === symbol).flatMap((side) => side.orders.map((order) => [order.client_order_id, order])));
  const most = Math.max(...[...ladder.asks, ...ladder.bids].map((rung) => Number(rung.quantity)), 1e-12);
  const list = rows($("#ladder tbody"), 2 * RUNGS + 1, ["r bp", "r price", "r level", "r ours", "r ahead", "state"]);
  const blank = { price: "", quantity: "", bps: "", orders: [] };
  const fill = (rungs) => [...rungs, ...Array(RUNGS - rungs.length).fill(blank)];
  [...fill(ladder.asks).reverse(), null, ...fill(ladder.bids)].forEach((rung, index) => {
    const row = list[index], cells = row.cells;
    mark(row, "side", rung === null ? "mid" : index < RUNGS ? "ask" : "bid");
    if (rung === null) {
      const bid = Number(shown.bid), ask = Number(shown.ask), known = bid > 0 && ask > 0;
      put(cells[0], "");
      put(cells[1], known ? ((bid + ask) / 2).toFixed(places(rules.tick) + 1) : "no price");
      put(cells[2], known ? `${(((ask - bid) / (ask + bid)) * 20000).toFixed(2)} bp` : "");
      put(cells[3], known ? "spread" : "");
      put(cells[5], "mid");
      return;
    }
    const mine = rung.orders.map((id) => orders.get(id)).filter(Boolean), states = mine.map((order) => stateOf(order, detail.calls));
    put(cells[0], rung.bps.replace("-", "−"));
    put(cells[1], padded(rung.price, places(rules.tick)));
    put(cells[2], Number(rung.quantity) ? padded(rung.quantity, places(rules.step)) : "");
    cells[2].style.setProperty("--part", `${Math.min(100, (Number(rung.quantity) / most) * 100).toFixed(0)}%`);
    put(cells[3], mine.length ? padded(left(mine).toFixed(places(rules.step)), places(rules.step)) : "");
    put(cells[4], mine.length && mine[0].ahead ? padded(mine[0].ahead, places(rules.step)) : "");
    put(cells[5], states.map(([text]) => text).join(", "));
    mark(row, "state", states.some(([, kind]) => kind === "unknown") ? "unknown" : states.some(([, kind]) => kind === "pending") ? "pending" : mine.length ? "working" : "");
    tip(cells[5], mine.map((order) => `${order.client_order_id} · ${order.quantity} @ ${order.price} · filled ${order.filled} · ${order.status} · ${order.age_s} s`).join("\n"));
  });
  put($("#book"), shown.book_age_ms < 0 ? "book not in step" : `book ${age(shown.book_age_ms)} old · queue ahead is an estimate`);
}
const left = (orders) => orders.reduce((sum, order) => sum + Number(order.quantity) - Number(order.filled), 0);

function showSymbols({ facts }) {
  const names = Object.keys(facts.symbols), home = $("#symbols");
  if (!names.includes(symbol)) symbol = names[0];
  if (home.childElementCount !== names.length) {
    home.replaceChildren(...names.map((name) => Object.assign(document.createElement("button"), { textContent: name, onclick: () => { symbol = name; show(); } })));
  }
  for (const button of home.children) button.setAttribute("aria-selected", String(button.textContent === symbol));
}

// -- calls, fills, chart, log ------------------------------------------------------------------------
const CALL_ROWS = 2;
function showCalls({ detail, facts }) {
  const count = Math.max(CALL_ROWS, detail.calls.length), list = rows($("#calls tbody"), count, ["what", "side", "r price", "route", "r age"]);
  for (let index = 0; index < count; index++) {
    const call = detail.calls[index], row = list[index], cells = row.cells;
    const texts = call ? [call.unknown ? `${call.what}, unknown` : call.what, `${call.symbol} ${call.side}`, padded(call.price, places(facts.symbols[call.symbol].tick)), call.route, age(call.age_ms)] : ["", "", "", "", ""];
    if (!detail.calls.length && !index) texts[0] = "nothing";
    texts.forEach((text, at) => put(cells[at], text));
    mark(row, "state", call ? (call.unknown ? "unknown" : "pending") : "none");
    tip(cells[0], call ? call.client_order_id : "");
  }
  const more = detail.calls_more ? ` · ${detail.calls_more} more` : "";
  put($("#calls-more"), `${detail.calls.length + detail.calls_more} about orders · ${detail.reads_pending} reads${more}`);
}
function showFills({ facts }) {
  const shown = seen.fills.slice(-FILLS_SHOWN).reverse(), list = rows($("#fills tbody"), shown.length, ["time", "side", "r", "r", "as", "r fee", "r", "r"]);
  shown.forEach((fill, index) => {
    const cells = list[index].cells, rules = facts.symbols[fill.symbol] || { tick: "", step: "" };
    const fee = Number(fill.fee) ? `${fill.fee} ${fill.fee_asset}` : "0";
    [clock(fill.at_ms), `${fill.symbol} ${fill.side}`, padded(fill.quantity, places(rules.step)), padded(fill.price, places(rules.tick)), fill.liquidity, fee,
      signed(Number(fill.inventory), places(rules.step)), signed(Number(fill.pnl), 2)].forEach((text, at) => put(cells[at], text));
    mark(list[index], "side", fill.side);
    tip(cells[0], fill.id);
  });
}
function showChart({ snapshot, facts }) {
  const quote = facts.symbols[symbol].quote, pnl = Number(snapshot.pnl_quote), hold = Number(snapshot.pnl_hold_quote);
  put($("#pnl-now"), signed(pnl, 2));
  put($("#hold-now"), signed(hold, 2));
  put($("#quoting-now"), signed(pnl - hold, 2));
  const points = seen.points, spanMs = points.length > 1 ? points.at(-1).at_ms - points[0].at_ms : 0;
  put($("#span"), `${quote} · last ${age(spanMs)}`);
  chart($("#both"), points, ["hold", "pnl"]);
  chart($("#quoting"), points, ["quoting"]);
}
const passes = (line) => filter === "all" || (filter === "warnings" ? line.level >= 30 : GROUPS[filter].has(line.tag));
let drawnFor = "", drawnLast = null;
function showLog() {
  const key = `${filter} ${seen.lines.length}`, last = seen.lines.at(-1);
  if (key === drawnFor && last === drawnLast) return;
  drawnFor = key;
  drawnLast = last;
  const shown = seen.lines.filter(passes).slice(-LINES_SHOWN).reverse();
  const list = rows($("#log tbody"), shown.length, ["time", "tag", "symbol", "text", "id"]);
  shown.forEach((line, index) => {
    const cells = list[index].cells;
    [clock(line.at_ms, true), line.tag, line.symbol, line.text, line.id].forEach((text, at) => put(cells[at], text));
    mark(list[index], "level", line.level >= 30 ? "warning" : "info");
    mark(list[index], "tag", line.tag);
  });
}

// -- the maker-first trader --------------------------------------------------------------------------
function showPositions({ snapshot, facts }) {
  const position = snapshot.positions[symbol], home = $("#positions");
  home.hidden = facts.strategy !== "maker_first";
  if (!position || home.hidden) return;
  const rules = facts.symbols[symbol], told = [];
  for (const name of ["BUY", "SELL"]) {
    const one = position[name], entry = one.pending, nowNs = snapshot.at_ns;
    const left = entry ? Math.max(0, (entry.deadline_ns - nowNs) / 1e6) : 0;
    told.push([name, entry ? `entry ${entry.id}` : "no entry", entry ? `pending ${age((nowNs - entry.created_ns) / 1e6)}, ${age(left)} left, ${entry.reprices} reprices${one.recheck ? ", recheck" : ""}` : one.recheck ? "recheck" : "", entry ? `${entry.filled} of ${entry.quantity}` : "", entry && entry.price ? padded(entry.price, places(rules.tick)) : "", entry ? "pending" : "none"]);
    for (const lot of one.lots) told.push([name, `lot ${lot.id}`, lot.is_trailing ? "trailing" : one.runner === lot.id ? "runner" : "held", padded(lot.quantity, places(rules.step)), Number(lot.price).toFixed(places(rules.tick)), "lot"]);
    for (const exit of one.exits) told.push([name, `exit of ${exit.id}`, `${exit.why}${exit.is_taker ? ", as taker" : ", as maker"}`, padded(exit.left, places(rules.step)), "", "pending"]);
    if (Number(one.dust)) told.push([name, "dust", "too small to sell alone", one.dust, "", "none"]);
  }
  const list = rows($("#positions tbody"), told.length, ["side", "what", "why", "r", "r"]);
  told.forEach(([name, what, why, quantity, price, state], index) => {
    [name, what, why, quantity, price].forEach((text, at) => put(list[index].cells[at], text));
    mark(list[index], "state", state);
    tip(list[index].cells[2], why);
  });
  const tally = position.tally, share = tally.entries ? ` (${((100 * tally.filled) / tally.entries).toFixed(0)} %)` : "";
  put($("#tally"), `entries ${tally.entries} · filled ${tally.filled}${share} · timeouts ${tally.timeouts} · fallbacks ${tally.fallbacks} · exits ${tally.exits} · fees saved ${signed(Number(tally.fees_saved), 2)}`);
}

// -- all of it ---------------------------------------------------------------------------------------
function show() {
  if (!seen.snapshot || !seen.detail || !seen.facts) return;
  showSymbols(seen);
  for (const part of [showHeader, showTiles, showLights, showLadder, showCalls, showFills, showChart, showPositions]) part(seen);
  showLog();
}
function take(told, nowMs) {
  seen.atMs = nowMs;
  seen.alive = told.alive;
  if (told.facts) Object.assign(seen, { facts: told.facts, lines: [], fills: [], points: [] });
  if ("snapshot" in told) Object.assign(seen, { snapshot: told.snapshot, detail: told.detail, settings: told.settings, latency: told.place_latency });
  seen.lines = seen.lines.concat(told.lines).slice(-400);
  seen.fills = seen.fills.concat(told.fills).slice(-60);
  seen.points = seen.points.concat(told.points.map((point) => ({ ...point, pnl: Number(point.pnl), hold: Number(point.hold), quoting: Number(point.pnl) - Number(point.hold) }))).slice(-POINTS_KEPT);
  show();
}

// -- buttons -----------------------------------------------------------------------------------------
const dialog = $("#ask");
function ask(action, wrong = "") {
  const [text, word] = ASKS[action];
  put($("#ask-text"), text);
  put($("#ask button.strong"), word);
  put($("#ask-wrong"), wrong);
  $("#ask-token").hidden = !!actionToken;
  $("#ask-token input").value = "";
  dialog.dataset.action = action;
  dialog.returnValue = "";
  dialog.showModal();
  (actionToken ? $("#ask button.strong") : $("#ask-token input")).focus();
}
dialog.addEventListener("close", () => {
  if (dialog.returnValue !== "yes") return;
  actionToken = actionToken || $("#ask-token input").value.trim();
  if (!send(dialog.dataset.action, actionToken)) say("not sent: the page is disconnected", true);
});
$("#ask-token input").addEventListener("keydown", (press) => {
  if (press.key === "Enter") { press.preventDefault(); dialog.close("yes"); }
});
let saidTimer = 0;
function say(text, isWrong) {
  put($("#said"), text);
  mark($("#said"), "wrong", isWrong ? "yes" : "no");
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => put($("#said"), ""), 6000);
}
function answered(told) {
  if (told.ok) { sessionStorage.setItem("action", actionToken); say(told.text, false); return; }
  if (told.needs_token) { actionToken = ""; sessionStorage.removeItem("action"); ask(told.action, told.text); return; }
  say(told.text, true);
}
for (const button of document.querySelectorAll("#acts button")) button.onclick = () => ask(button.dataset.action);
for (const button of document.querySelectorAll("#filter button")) {
  button.onclick = () => {
    filter = button.dataset.filter;
    for (const one of document.querySelectorAll("#filter button")) one.setAttribute("aria-selected", String(one === button));
    showLog();
  };
}
$("#lights tbody").addEventListener("click", (click) => {
  const row = click.target.closest("tr");
  if (row) { symbol = row.dataset.symbol; show(); }
});
addEventListener("resize", () => show());

tiles();
const send = connect({ onPicture: take, onAnswer: answered, onLink: showLink });
