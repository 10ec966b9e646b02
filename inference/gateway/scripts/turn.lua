-- Give the places of a pool that are free to those whose turn it is, and say how these requests stand.
-- KEYS: counter of the pool, base of its queue, leases.  ARGV: prefix of leases, places, then request ids.
-- Returns {ms between two places or -1, then for each: place in the queue, 0 when it may go, -1 when its lease is gone, or had run
--   out when its turn came}.
local LIVES = 5000 -- ms: whoever asks is there, though the store was away, or its clock jumped, since the last heartbeat
local now = clock()
for i = 3, #ARGV do
  local ends = redis.call('ZSCORE', KEYS[3], ARGV[i])
  if ends and tonumber(ends) <= now then redis.call('ZADD', KEYS[3], now + LIVES, ARGV[i]) end
end
serve(KEYS[2], KEYS[1], KEYS[3], ARGV[1], tonumber(ARGV[2]), now)
local answer = {math.floor(tonumber(redis.call('HGET', KEYS[2] .. ':pace', 'gap')) or -1)}
for i = 3, #ARGV do
  local place = position(KEYS[2], ARGV[i])
  if place == 0 then
    local lease = redis.call('HMGET', ARGV[1] .. ARGV[i], 'scopes', 'queue')
    if not lease[1] or lease[2] then place = -1 end
  end
  answer[#answer + 1] = place
end
return answer
