-- Renew the leases of many requests, note their progress, and say whose rights have lapsed.
-- KEYS: leases, then per request: lease, tombstone, generations of user, project, gate.
-- ARGV: lease ms, then per request: request id, generations of user, project, gate, not_after, prompt, completion,
--   cached tokens, first byte at, backend.
-- Returns pairs {number of the request, 'revoked' | 'expired' | 'stale' | 'settled'}; nothing for those that go on.
local now = clock()
local until_ms = now + tonumber(ARGV[1])
local ended = {}
for i = 1, (#KEYS - 1) / 5 do
  local k, a = 1 + (i - 1) * 5, 1 + (i - 1) * 10
  local lease, rid = KEYS[k + 1], ARGV[a + 1]
  if redis.call('EXISTS', lease) == 0 then
    ended[#ended + 1] = {i, 'settled'}
  else
    redis.call('HSET', lease, 'prompt_tokens', ARGV[a + 6], 'completion_tokens', ARGV[a + 7],
      'cached_tokens', ARGV[a + 8], 'first_byte_at', ARGV[a + 9], 'backend', ARGV[a + 10])
    redis.call('ZADD', KEYS[1], until_ms, rid)
    local lapsed = lapse(now, redis.call('MGET', unpack(KEYS, k + 2, k + 5)),
      {tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])}, tonumber(ARGV[a + 5]))
    if lapsed then ended[#ended + 1] = {i, lapsed} end
  end
end
return ended
