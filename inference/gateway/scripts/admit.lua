-- Admit one request over all its scopes, let it wait for a place, or refuse it and write nothing.
-- KEYS: leases, tombstone, generations of user, project, gate, principal, then one counter per scope, the base of the
--   pool's queue, and the lease.
-- ARGV: of the request: 1 id, 2 requests, 3 tokens, 4 class in the pool's queue (0: does not wait), 5 endpoint, 6 stream
--   (1 or 0), 7 parameters; of the gateway: 8 lease ms, 9 most that may wait, 10 prefix of leases; of the right: 11 project,
--   12 not_after, 13-15 generations, 16 SHA-1 of the principal's text (or empty), 17 number of scopes, 18 the last scope is
--   the pool (1 or 0), 19 their limits, packed one after the other as SCOPE says, then fields of the lease in pairs.
--   A negative limit: this scope does not limit that.
-- The clock may have been set back: no bucket takes longer to fill than an empty one does (which is written even where the
--   request is refused, or it would be as empty at the next), and what is used before a day or month that had begun counts in
--   that one. A count of a later day or month is of a clock that was wrong, and begins anew.
-- Who waits holds every reservation but the place itself: what is its own was found in order once and for all.
-- Returns {1 or, where it waits, 2, now, limit, remaining, reset ms of requests, the same of tokens}
--      or {0, scope, kind, wait ms, room in tokens, the same six} or {-1, lapse}.

-- Of a scope: requests per minute, ms per request, burst ms, tokens per minute, ms per token, burst ms, concurrency,
-- tokens per day, tokens per period, period.
local SCOPE = '<ddddddddds'
local SLACK = 0.0005 -- ms; doubles near 2e12 are that coarse
local now = clock()
local rid, requests, tokens, class = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local count, pool = tonumber(ARGV[17]), ARGV[18] == '1'
local leases, queue, lease = KEYS[1], KEYS[7 + count], KEYS[8 + count]
if string.sub(rid, 1, 6) == 'batch-' and redis.call('EXISTS', lease, 'wb:answer:' .. rid) > 0 then return {-1, 'busy'} end
local known = redis.call('MGET', unpack(KEYS, 2, 6 + count))
local lapsed = barred(now, known)
if lapsed then return {-1, lapsed} end

local waits, places, at = false, 0, 1
local day = math.floor(now / 86400000)
local refused_scope, refused_kind, refused_wait = 0, '', -1
local room = 9007199254740991
local of_requests, of_tokens = {-1, -1, 0}, {-1, -1, 0} -- limit, remaining, reset of the tightest scope, for the headers
local writes, held = {}, {}

local function month_after(month)
  local year, number = tonumber(string.sub(month, 1, 4)), tonumber(string.sub(month, 6))
  if not year or not number then return '' end
  if number == 12 then return string.format('%04d-01', year + 1) end
  return string.format('%04d-%02d', year, number + 1)
end

local function refuse(scope, kind, wait)
  if pool and scope == count and refused_scope > 0 and refused_scope < count then return end -- the caller's own first
  if wait > refused_wait then refused_scope, refused_kind, refused_wait = scope, kind, wait end
end

local function show(seen, scope, limit, remaining, reset)
  if pool and scope == count then return end
  if seen[1] < 0 or remaining < seen[2] then seen[1], seen[2], seen[3] = limit, remaining, reset end
end

for i = 1, count do
  local rl, rstep, rburst, tl, tstep, tburst, slots, daily, whole, period
  rl, rstep, rburst, tl, tstep, tburst, slots, daily, whole, period, at = struct.unpack(SCOPE, ARGV[19], at)
  local r, t, b, c, d, dn, pn, p = counted(known[5 + i])
  local slot = 0
  local late_r, late_t = rl >= 0 and r > now + rburst + SLACK, tl >= 0 and t > now + tburst + SLACK
  if late_r or late_t then
    if late_r then r = now + rburst end
    if late_t then t = now + tburst end
    keep(KEYS[6 + i], whole >= 0 and FOR_EVER or FOR_DAYS, r, t, b, c, d, dn, pn, p)
  end
  if rl >= 0 then
    local tat = math.max(r, now)
    r = tat + requests * rstep
    if requests > 0 and r - now > rburst + SLACK then
      refuse(i, 'requests', math.ceil(r - now - rburst))
      r = tat
    end
    show(of_requests, i, rl, math.max(0, math.floor((rburst - (r - now)) / rstep + 1e-6)), math.ceil(r - now))
  end
  if tl >= 0 then
    local tat = math.max(t, now)
    t = tat + tokens * tstep
    room = math.min(room, math.floor((tburst - (tat - now)) / tstep + 1e-6))
    if tokens * tstep > tburst + SLACK then
      refuse(i, 'size', 9007199254740991)
      room = math.min(room, math.floor(tburst / tstep + 1e-6))
      t = tat
    elseif tokens > 0 and t - now > tburst + SLACK then
      refuse(i, 'tokens', math.ceil(t - now - tburst))
      t = tat
    end
    show(of_tokens, i, tl, math.max(0, math.floor((tburst - (t - now)) / tstep + 1e-6)), math.ceil(t - now))
  end
  if daily >= 0 then
    if d ~= day and d ~= day + 1 then d, dn = day, 0 end
    room = math.min(room, daily - dn)
    if tokens > 0 and dn + tokens > daily then refuse(i, 'day', (d + 1) * 86400000 - now) end
    dn = dn + tokens
  end
  if whole >= 0 then
    -- Principals of the month before are good for a minute after its end: they count in the month that has begun.
    if #p == 7 and #period == 7 and p == month_after(period) then period = p end
    if p ~= period then p, pn = period, 0 end
    room = math.min(room, whole - pn)
    if tokens > 0 and pn + tokens > whole then refuse(i, 'period', 4503599627370496) end
    pn = pn + tokens
  end
  if slots >= 0 then
    if pool and i == count and class > 0 and slots > 0 then
      places = slots
      waits = c >= slots or redis.call('EXISTS', queue .. ':who') == 1
    elseif c >= slots then
      refuse(i, 'concurrency', 500)
    end
    if not waits then slot = 1 end
  end
  writes[i] = {KEYS[6 + i], whole >= 0 and FOR_EVER or FOR_DAYS, r, t, b, c + slot, d, dn, pn, p}
  held[i] = {KEYS[6 + i], tl >= 0 and tstep or 0, daily >= 0 and d or -1, whole >= 0 and period or '', slot, t, b}
end

if waits and refused_scope == 0 and not join(queue, class, rid, ARGV[11], tokens, now, tonumber(ARGV[9])) then
  refuse(count, 'queue', 1000)
end
if refused_scope > 0 then
  if refused_kind == 'size' or refused_kind == 'period' then refused_wait = 0 end
  return {0, refused_scope, refused_kind, refused_wait, math.max(0, room), of_requests[1], of_requests[2], of_requests[3],
    of_tokens[1], of_tokens[2], of_tokens[3]}
end

for i = 1, count do keep(unpack(writes[i])) end
redis.call('HSET', lease, 'scopes', cmsgpack.pack(held), 'reserved_tokens', ARGV[3], 'started_at', now,
  'endpoint', ARGV[5], 'stream', ARGV[6], 'parameters', ARGV[7], unpack(ARGV, 20))
if requests == 0 then redis.call('HSET', lease, 'status', 'refused') end -- a visit: nothing of it is for the ledger
redis.call('ZADD', leases, now + tonumber(ARGV[8]), rid)
if waits then
  redis.call('HSET', lease, 'queue', queue)
  serve(queue, KEYS[6 + count], leases, ARGV[10], places, now)
  waits = redis.call('HEXISTS', lease, 'queue') == 1
end
return {waits and 2 or 1, now, of_requests[1], of_requests[2], of_requests[3], of_tokens[1], of_tokens[2], of_tokens[3]}
