-- Shared by every script; loaded in front of each. Keys are not hash-tagged: one primary, not Redis Cluster.

local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Why the rights of a principal no longer hold: 'revoked', 'expired' or 'stale' (ask again); false while they do.
-- known: values of tombstone, generation of user, project, gate.  carried: the generations that the principal was built
-- from.
local function lapse(now, known, carried, not_after)
  if known[1] then return 'revoked' end
  if now >= not_after then return 'expired' end
  for i = 1, 3 do
    if (tonumber(known[i + 1]) or 0) > carried[i] then return 'stale' end
  end
  return false
end

-- Why what an admission presumes does not hold: 'changed' (the principal is another now), or a lapse; false while it does.
-- known: values of tombstone, generations and principal.  ARGV as admit.lua names them.
local function barred(now, known)
  if ARGV[16] ~= '' and not (known[5] and redis.sha1hex(known[5]) == ARGV[16]) then return 'changed' end
  return lapse(now, known,
    {tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])}, tonumber(ARGV[12]))
end

-- When a bucket that would be full at `at` is full with `change` ms of tokens used in place of those reserved, and how many
-- ms it has given back by then.
-- What was reserved drains while the request lasts, and what has drained is not given back: by then the bucket owes for
-- later requests, and to give it back would let more than a minute's limit through. `full` is when the bucket would have
-- been full as of this request's admission, `back` how many ms it had given back till then; each ms that it gave back
-- since is taken for an earlier request's, which drew `full` nearer.
local function refilled(at, given, now, change, full, back)
  if change > 0 then return math.max(now, at) + change, given end
  local left = math.max(0, math.min(-change, full - (given - back) - now))
  return at - left, given + left
end

-- Settle one request, once: exact usage into every counter, the concurrency slot back, one entry for the ledger.
-- Whoever comes second finds no lease and does nothing. `final` overrides what the heartbeats had noted. Who still waits
-- for a place has used nothing, and leaves the queue. What nobody noted or settled is `lost`.
-- Returns nil when there was no lease, else used minus reserved tokens (above 0 is a bug worth counting).
local function settle(lease_key, leases_key, stream_key, rid, now, final)
  local flat = redis.call('HGETALL', lease_key)
  if #flat == 0 then
    redis.call('ZREM', leases_key, rid)
    return nil
  end
  local lease = {}
  for i = 1, #flat, 2 do lease[flat[i]] = flat[i + 1] end
  for name, value in pairs(final) do lease[name] = value end
  local prompt, completion = tonumber(lease.prompt_tokens) or 0, tonumber(lease.completion_tokens) or 0
  local used, first_byte_at = prompt + completion, tonumber(lease.first_byte_at) or 0
  local delta = used - tonumber(lease.reserved_tokens)
  for _, scope in ipairs(cmsgpack.unpack(lease.scopes)) do
    local key, step, day, period, slot, full, back = unpack(scope)
    local r, t, b, c, d, dn, pn, p = read(key)
    if step > 0 then t, b = refilled(t, b, now, delta * step, full, back) end
    -- Never below nothing: a wrong clock may have had a count begin anew since.
    if d == day then dn = math.max(0, dn + delta) end
    if period ~= '' and p == period then pn = math.max(0, pn + delta) end
    keep(key, period == '' and FOR_DAYS or FOR_EVER, r, t, b, math.max(0, c - slot), d, dn, pn, p)
  end
  if lease.queue then
    leave(lease.queue, rid)
    lease.status = 'refused'
  end
  if lease.status ~= 'refused' then
    redis.call('XADD', stream_key, '*', 'request_id', rid, 'token_id', lease.token_id, 'user_id', lease.user_id,
      'project_id', lease.project_id, 'model', lease.model, 'revision', lease.revision, 'pool', lease.pool,
      'backend', lease.backend or '', 'endpoint', lease.endpoint, 'stream', lease.stream, 'status', lease.status or 'lost',
      'prompt_tokens', prompt, 'completion_tokens', completion, 'cached_tokens', lease.cached_tokens or 0,
      'reserved_tokens', lease.reserved_tokens, 'started_at', lease.started_at, 'first_byte_at', first_byte_at,
      -- The gateway's clock may be a little ahead of ours, and ours may have been set back.
      'ended_at', math.max(now, first_byte_at, tonumber(lease.started_at)),
      'fingerprint', lease.fingerprint or '', 'engine', lease.engine or '', 'parameters', lease.parameters or '')
  end
  -- Nothing was charged: the idempotency key of the request is free again.
  if lease.once and used == 0 and redis.call('HGET', lease.once, 'request') == rid then
    redis.call('DEL', lease.once)
  end
  redis.call('DEL', lease_key)
  redis.call('ZREM', leases_key, rid)
  return delta
end
