// The connection: the token from the address, one WebSocket, and its return after a loss. It knows nothing of what is shown.

const SILENT_MS = 3500, RETRY_MS_MAX = 5000;

// What stands behind # is never sent in an address; it is kept for this tab and taken off the address bar.
function takeToken() {
  const given = decodeURIComponent(location.hash.slice(1));
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token") || "";
}

export function connect({ onPicture, onAnswer, onLink }) {
  let socket = null, heardMs = 0, retryMs = 250, tryAtMs = 0, refused = "";
  const token = takeToken();

  function open() {
    socket = new WebSocket(`ws://${location.host}/live`);
    const mine = socket;
    heardMs = performance.now();
    mine.onopen = () => mine.send(JSON.stringify({ token }));
    mine.onmessage = (message) => {
      if (mine !== socket) return;
      heardMs = performance.now();
      retryMs = 250;
      const told = JSON.parse(message.data);
      told.kind === "picture" ? onPicture(told, heardMs) : onAnswer(told);
      tell();
    };
    mine.onclose = (end) => {
      if (mine !== socket) return;
      if (end.code === 4401) refused = "not the token of this start: open the address the console printed last";
      lost();
    };
  }

  function lost() {
    const old = socket;
    socket = null;
    if (old) old.close();
    tryAtMs = performance.now() + retryMs;
    retryMs = Math.min(retryMs * 2, refused ? 30000 : RETRY_MS_MAX);
    tell();
  }

  function tell() {
    const isUp = socket !== null && socket.readyState === WebSocket.OPEN && !refused;
    onLink({ isUp, refused: token ? refused : "no token: open the whole address the console printed, with what stands behind #",
             retryS: Math.max(0, (tryAtMs - performance.now()) / 1000), isTrying: socket !== null });
  }

  setInterval(() => {
    const nowMs = performance.now();
    if (socket !== null && nowMs - heardMs > SILENT_MS) lost();
    else if (socket === null && token && nowMs >= tryAtMs) { refused = ""; open(); }
    tell();
  }, 250);
  if (token) open();
  tell();
  return (action, actionToken) => {
    if (socket === null || socket.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify({ action, action_token: actionToken }));
    return true;
  };
}
