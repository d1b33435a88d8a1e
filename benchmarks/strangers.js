// Clients for node, unmodified, against the paper exchange: @binance/spot (Binance's own), binance, binance-api-node, node-binance-api.
// Run by benchmarks/strangers.py in a process of its own, in the folder they are installed in: `node strangers.js READY CLIENT [PEM]`.
// Prints one JSON line a check. Only the addresses are ours.
const ready = JSON.parse(process.argv[2]);
const load = require('module').createRequire(`${process.cwd()}/`);
const SYMBOL = 'BTCUSDT';
const FAR = { symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: '0.001', price: '50000' };
const PAIR = {
  symbol: SYMBOL, side: 'SELL', quantity: '0.001', aboveType: 'LIMIT_MAKER', abovePrice: '200000',
  belowType: 'STOP_LOSS_LIMIT', belowStopPrice: '40000', belowPrice: '39000', belowTimeInForce: 'GTC',
};
const STREAM_MS = 2500, FRAME_EVERY_MS = 300; // five frames a second are too many

const say = (check, error) => console.log(JSON.stringify({ check, error }));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const text = (value) => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? Number(part) : part)) || String(value);
const within = (call) => Promise.race([call(), pause(8000).then(() => { throw new Error('no answer in 8 s'); })]);
const codeOf = (error) => error.code ?? error.error?.code ?? error.body?.code ?? JSON.parse(/\{.*\}/.exec(error.message || '{}')?.[0] || '{}').code;

async function check(name, call, isRight = () => true) {
  try {
    const value = await within(call);
    say(name, isRight(value) ? '' : `unexpected: ${text(value).slice(0, 200)}`);
    return value;
  } catch (error) {
    say(name, `${error.constructor?.name}: ${(error.message || text(error.body || error)).slice(0, 250)}`);
    return {};
  }
}

async function refused(name, code, call) {
  try {
    say(name, `not refused: ${text(await within(call)).slice(0, 200)}`);
  } catch (error) {
    const found = Number(codeOf(error));
    say(name, found === code ? '' : `${found} instead of ${code}: ${text(error).slice(0, 200)}`);
  }
}

// -- Binance's own -------------------------------------------------------------------------------
async function spot() {
  const { Spot } = load('@binance/spot');
  const keys = { apiKey: ready.api_key, apiSecret: ready.api_secret };
  const client = new Spot({
    configurationRestAPI: { ...keys, basePath: ready.rest },
    configurationWebsocketAPI: { ...keys, wsURL: ready.ws_api },
    configurationWebsocketStreams: { wsURL: ready.stream },
  });
  const rest = client.restAPI;
  const body = (call) => async () => (await call()).data();
  await check('rest time', body(() => rest.time()));
  await check('rest exchangeInfo', body(() => rest.exchangeInfo({ symbols: ['BTCUSDT', 'ETHUSDT'] })), (info) => info.symbols.length === 2);
  await check('rest depth', body(() => rest.depth({ symbol: SYMBOL, limit: 5 })), (book) => book.bids.length === 5);
  await check('rest klines', body(() => rest.klines({ symbol: SYMBOL, interval: '1m', limit: 2 })), (bars) => bars.length === 2);
  await check('rest ticker', body(() => rest.ticker24hr({ symbol: SYMBOL })));
  await check('rest best prices', body(() => rest.tickerBookTicker({ symbol: SYMBOL })));
  await check('rest account', body(() => rest.getAccount()), (account) => account.balances.length > 0);
  const placed = await check('rest order', body(() => rest.newOrder({ ...FAR, newOrderRespType: 'RESULT' })), (one) => one.status === 'NEW');
  const orderId = placed.orderId;
  await check('rest status', body(() => rest.getOrder({ symbol: SYMBOL, orderId })), (one) => one.status === 'NEW');
  await check('rest open orders', body(() => rest.getOpenOrders({ symbol: SYMBOL })), (found) => found.length === 1);
  const smaller = { symbol: SYMBOL, orderId, newQty: '0.0005' };
  await check('rest amend', body(() => rest.orderAmendKeepPriority(smaller)), (one) => one.amendedOrder.qty === '0.00050000');
  await check('rest amendments', body(() => rest.orderAmendments({ symbol: SYMBOL, orderId })), (found) => found.length === 1);
  const pair = { ...FAR, price: '50001', cancelReplaceMode: 'STOP_ON_FAILURE', cancelOrderId: orderId };
  const both = await check('rest cancelReplace', body(() => rest.orderCancelReplace(pair)), (one) => one.newOrderResult === 'SUCCESS');
  await refused('rest cancelReplace of what is gone', -2022, body(() => rest.orderCancelReplace(pair)));
  await check('rest cancel', body(() => rest.deleteOrder({ symbol: SYMBOL, orderId: both.newOrderResponse.orderId })));
  const list = await check('rest pair', body(() => rest.orderListOco(PAIR)), (one) => one.orderReports.length === 2);
  await check("rest pair's status", body(() => rest.getOrderList({ orderListId: list.orderListId })));
  await check('rest pairs', body(() => rest.allOrderList()));
  await check('rest cancel of the pair', body(() => rest.deleteOrderList({ symbol: SYMBOL, orderListId: list.orderListId })));
  for (const name of ['myTrades', 'myFilters', 'accountCommission', 'allOrders']) await check(`rest ${name}`, body(() => rest[name]({ symbol: SYMBOL })));
  await check('rest order counts', body(() => rest.rateLimitOrder()));
  await refused('rest cancel of nothing', -2011, body(() => rest.deleteOpenOrders({ symbol: SYMBOL })));
  await spotByWs(await client.websocketAPI.connect());
  await spotStreams(client.websocketStreams);
}

async function spotByWs(ws) {
  const body = (call) => async () => (await call()).data;
  const events = [];
  await check('ws-api time', body(() => ws.time()));
  await check('ws-api subscription', async () => {
    const answer = await ws.userDataStreamSubscribeSignature();
    (answer.stream || answer).on('message', (event) => events.push(event.e));
    return answer;
  });
  const orderId = (await check('ws-api order', body(() => ws.orderPlace(FAR)), (one) => one.status === 'NEW')).orderId;
  await check('ws-api status', body(() => ws.orderStatus({ symbol: SYMBOL, orderId })));
  await check('ws-api amend', body(() => ws.orderAmendKeepPriority({ symbol: SYMBOL, orderId, newQty: '0.0005' })));
  const pair = { ...FAR, price: '50002', cancelReplaceMode: 'STOP_ON_FAILURE', cancelOrderId: orderId };
  const both = await check('ws-api cancelReplace', body(() => ws.orderCancelReplace(pair)), (one) => one.newOrderResult === 'SUCCESS');
  const gone = { symbol: SYMBOL, orderId: both.newOrderResponse.orderId };
  await check('ws-api cancel', body(() => ws.orderCancel(gone)));
  await refused('ws-api cancel again', -2011, body(() => ws.orderCancel(gone)));
  await check('ws-api pair', body(() => ws.orderListPlaceOco(PAIR)));
  await check('ws-api cancel all', body(() => ws.openOrdersCancelAll({ symbol: SYMBOL })));
  for (const name of ['accountStatus', 'accountRateLimitsOrders', 'sessionStatus', 'sessionSubscriptions']) await check(`ws-api ${name}`, body(() => ws[name]()));
  await pause(200);
  const wanted = ['executionReport', 'outboundAccountPosition', 'listStatus'];
  const missing = wanted.filter((kind) => !events.includes(kind));
  say('ws-api events', missing.length ? `not heard: ${missing}` : '');
  await check('ws-api unsubscribe', body(() => ws.userDataStreamUnsubscribe()));
  await ws.disconnect();
}

async function spotStreams(streams) {
  const connection = await streams.connect({ stream: ['btcusdt@bookTicker'] });
  const symbol = SYMBOL.toLowerCase();
  const heard = new Set();
  const wanted = {
    bookTicker: {}, aggTrade: {}, trade: {}, ticker: {}, miniTicker: {}, avgPrice: {}, kline: { interval: '1m' },
    diffBookDepth: { updateSpeed: '100ms' }, partialBookDepth: { levels: 5 },
  };
  for (const [name, more] of Object.entries(wanted)) {
    connection[name]({ symbol, ...more }).on('message', () => heard.add(name));
    await pause(FRAME_EVERY_MS);
  }
  await pause(STREAM_MS);
  const missing = Object.keys(wanted).filter((name) => !heard.has(name));
  say('streams', missing.length ? `not heard: ${missing}` : '');
  await connection.disconnect();
}

// -- binance (by Siebly), with an Ed25519 key: session.logon -------------------------------------
async function siebly() {
  const { MainClient, WebsocketAPIClient, WebsocketClient } = load('binance');
  const keys = { api_key: ready.api_key, api_secret: process.argv[4] ? require('fs').readFileSync(process.argv[4], 'utf8') : ready.api_secret };
  const rest = new MainClient({ ...keys, baseUrl: ready.rest });
  const one = { symbol: SYMBOL, limit: 1 };
  await check('rest exchangeInfo', () => rest.getExchangeInfo({ symbol: SYMBOL }));
  for (const name of ['getRecentTrades', 'getHistoricalTrades', 'getAggregateTrades', 'getAvgPrice', 'get24hrChangeStatistics']) {
    await check(`rest ${name}`, () => rest[name](name.startsWith('getAvg') || name.startsWith('get24') ? { symbol: SYMBOL } : one));
  }
  await check('rest account', () => rest.getAccountInformation());
  const placed = await check('rest order', () => rest.submitNewOrder({ ...FAR, newOrderRespType: 'RESULT' }));
  await check('rest status', () => rest.getOrder({ symbol: SYMBOL, orderId: placed.orderId }));
  const pair = { ...FAR, price: 50001, cancelReplaceMode: 'STOP_ON_FAILURE', cancelOrderId: placed.orderId };
  const both = await check('rest cancelReplace', () => rest.replaceOrder(pair));
  await check('rest cancel', () => rest.cancelOrder({ symbol: SYMBOL, orderId: both.newOrderResponse.orderId }));
  await check('rest market order', () => rest.submitNewOrder({ symbol: SYMBOL, side: 'BUY', type: 'MARKET', quoteOrderQty: 100 }));
  await check('rest trades of mine', () => rest.getAccountTradeList({ symbol: SYMBOL }), (found) => found.length > 0);
  const quiet = { trace() {}, info() {}, error() {} };
  const events = [];
  const api = new WebsocketAPIClient({ ...keys, wsUrl: ready.stream, beautify: true, attachEventListeners: false }, quiet);
  api.getWSClient().on('formattedUserDataMessage', (event) => events.push(event.eventType)).on('exception', () => {});
  const stamped = (params) => ({ ...params, timestamp: Date.now() });
  await check('ws-api log-on and account', () => api.getSpotAccountInformation(stamped({})));
  await check('ws-api subscription', () => api.subscribeUserDataStream('mainWSAPI'));
  const orderId = (await check('ws-api order', () => api.submitNewSpotOrder(stamped(FAR)))).result?.orderId;
  await check('ws-api status', () => api.getSpotOrderStatus(stamped({ symbol: SYMBOL, orderId })));
  await check('ws-api amend', () => api.amendSpotOrderKeepPriority(stamped({ symbol: SYMBOL, orderId, newQty: '0.0005' })));
  await check('ws-api cancelReplace', () => api.cancelReplaceSpotOrder(stamped({ ...pair, price: '50002', cancelOrderId: orderId })));
  await check('ws-api pair', () => api.placeSpotOCOOrderList(stamped(PAIR)));
  await check('ws-api cancel all', () => api.cancelAllSpotOpenOrders(stamped({ symbol: SYMBOL })));
  await pause(300);
  say('ws-api events', events.includes('executionReport') && events.includes('outboundAccountPosition') ? '' : `heard: ${[...new Set(events)]}`);
  const heard = new Set();
  const streams = new WebsocketClient({ wsUrl: ready.stream, beautify: true }, quiet);
  streams.on('formattedMessage', (message) => heard.add(message.eventType || 'partial')).on('exception', () => {});
  const kinds = ['bookTicker', 'depth@100ms', 'trade', 'kline_1m', 'miniTicker', 'ticker'];
  streams.subscribe(kinds.map((kind) => `${SYMBOL.toLowerCase()}@${kind}`), 'main');
  await pause(STREAM_MS);
  const missing = ['bookTicker', 'depthUpdate', 'trade', 'kline', '24hrMiniTicker', '24hrTicker'].filter((kind) => !heard.has(kind));
  say('streams', missing.length ? `not heard: ${missing}` : '');
}

// -- binance-api-node ----------------------------------------------------------------------------
async function apiNode() {
  const make = load('binance-api-node').default;
  const client = make({ apiKey: ready.api_key, apiSecret: ready.api_secret, httpBase: ready.rest, wsBase: `${ready.stream}/ws` });
  for (const name of ['ping', 'time', 'exchangeInfo', 'prices', 'allBookTickers', 'accountInfo']) await check(`rest ${name}`, () => client[name]());
  for (const name of ['book', 'trades', 'aggTrades', 'avgPrice', 'dailyStats']) await check(`rest ${name}`, () => client[name]({ symbol: SYMBOL }));
  const { timeInForce, ...maker } = { ...FAR, type: 'LIMIT_MAKER' };
  await check('rest candles', () => client.candles({ symbol: SYMBOL, interval: '1m', limit: 2 }), (bars) => bars.length === 2);
  const placed = await check('rest order', () => client.order(maker));
  await check('rest test order', () => client.orderTest(FAR));
  await check('rest status', () => client.getOrder({ symbol: SYMBOL, orderId: placed.orderId }));
  await check('rest open orders', () => client.openOrders({ symbol: SYMBOL }), (found) => found.length === 1);
  const old = { symbol: SYMBOL, side: 'SELL', quantity: '0.001', price: '200000', stopPrice: '40000', stopLimitPrice: '39000' };
  await check('rest pair, the old way', () => client.orderOco(old), (list) => list.orderReports.length === 2);
  await check('rest market order', () => client.order({ symbol: SYMBOL, side: 'BUY', type: 'MARKET', quoteOrderQty: '100' }), (one) => one.status === 'FILLED');
  await check('rest cancel all', () => client.cancelOpenOrders({ symbol: SYMBOL }), (found) => found.length === 2);
  await check('rest orders', () => client.allOrders({ symbol: SYMBOL }));
  await check('rest trades of mine', () => client.myTrades({ symbol: SYMBOL }));
  const heard = new Set();
  const hear = (name) => () => heard.add(name);
  const { ws } = client;
  ws.depth(SYMBOL, hear('depth')); ws.ticker(SYMBOL, hear('ticker')); ws.candles(SYMBOL, '1m', hear('candles'));
  ws.partialDepth({ symbol: SYMBOL, level: 5 }, hear('partialDepth')); ws.trades([SYMBOL], hear('trades')); ws.aggTrades([SYMBOL], hear('aggTrades'));
  await pause(STREAM_MS);
  const missing = ['depth', 'ticker', 'candles', 'partialDepth', 'trades', 'aggTrades'].filter((name) => !heard.has(name));
  say('streams', missing.length ? `not heard: ${missing}` : '');
}

// -- node-binance-api ----------------------------------------------------------------------------
async function nodeBinanceApi() {
  const Binance = load('node-binance-api');
  const client = new Binance().options({ APIKEY: ready.api_key, APISECRET: ready.api_secret, log() {} });
  client.base = `${ready.rest}/api/`;
  client.getSpotUrl = () => client.base;
  for (const name of ['time', 'prices', 'bookTickers', 'exchangeInfo', 'balance']) await check(`rest ${name}`, () => client[name]());
  await check('rest depth', () => client.depth(SYMBOL));
  await check('rest candles', () => client.candlesticks(SYMBOL, '1m', { limit: 2 }));
  await check('rest day', () => client.prevDay(SYMBOL));
  const placed = await check('rest order', () => client.buy(SYMBOL, '0.001', '50000'));
  await check('rest status', () => client.orderStatus(SYMBOL, placed.orderId));
  await check('rest open orders', () => client.openOrders(SYMBOL), (found) => found.length === 1);
  await check('rest cancel', () => client.cancel(SYMBOL, placed.orderId));
  await check('rest market purchase', () => client.marketBuy(SYMBOL, '0.001'), (one) => one.status === 'FILLED');
  await check('rest market sale', () => client.marketSell(SYMBOL, '0.001'), (one) => one.status === 'FILLED');
  await check('rest trades of mine', () => client.trades(SYMBOL), (found) => found.length >= 2);
  await check('rest orders', () => client.allOrders(SYMBOL), (found) => found.length >= 3);
  await refused('rest cancel of nothing', -2011, () => client.cancelAll(SYMBOL));
}

const clients = { '@binance/spot': spot, binance: siebly, 'binance-api-node': apiNode, 'node-binance-api': nodeBinanceApi };
console.info = console.warn = console.debug = () => {};
clients[process.argv[3]]().catch((error) => say('the client itself', String(error.stack || error).slice(0, 400))).finally(() => setTimeout(() => process.exit(0), 100));
