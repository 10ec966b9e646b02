-- Settle requests whose gateway died: the lease ran out, so nobody renews it. Charged is what its last heartbeat noted.
-- Where nobody has looked for a while the store itself was away: what ran out meanwhile is spared once, for its gateway
-- could not renew it, and may owe the exact settlement of an answer that has been given.
-- Where the clock was set back since the last look: what it would let live for as long again has those seconds to be renewed.
-- KEYS: leases, stream, time of the last look.  ARGV: prefix of lease keys, most to settle in one go.
-- Returns how many were settled.
local AWAY, SPARED = 5000, 5000 -- ms
local now = clock()
local seen = tonumber(redis.call('GET', KEYS[3])) or now
redis.call('SET', KEYS[3], now)
if now - seen > AWAY then
  for _, rid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    local lease = ARGV[1] .. rid
    if redis.call('EXISTS', lease) == 1 and redis.call('HSETNX', lease, 'spared', 1) == 1 then
      redis.call('ZADD', KEYS[1], now + SPARED, rid)
    end
  end
end
if seen - now > AWAY then
  for _, rid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now + SPARED, '+inf')) do
    redis.call('ZADD', KEYS[1], now + SPARED, rid)
  end
end
local done = 0
for _, rid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[2]))) do
  if settle(ARGV[1] .. rid, KEYS[1], KEYS[2], rid, now, {}) ~= nil then done = done + 1 end
end
return done
