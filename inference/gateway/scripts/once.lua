-- Admit a request with an idempotency key, once. Before it stands admit.lua, whole, as the function `admission`.
-- KEYS: those of admit, then the key's record.  ARGV: those of admit's of the request, then the digest of the request and ms
--   to keep the record, then the rest of admit's.
-- Returns what admit returns, or {-2, 'other' | 'running' | 'finished', id of the request that has the key}.
local asked, kept, record = table.remove(ARGV, 8), table.remove(ARGV, 8), table.remove(KEYS)
local seen = redis.call('HMGET', record, 'asked', 'request', 'lease')
if seen[1] then
  local lapsed = barred(clock(), redis.call('MGET', unpack(KEYS, 2, 6)))
  if lapsed then return {-1, lapsed} end
  if seen[1] ~= asked then return {-2, 'other', seen[2]} end
  return {-2, redis.call('EXISTS', seen[3]) == 1 and 'running' or 'finished', seen[2]}
end
local answer = admission()
if answer[1] > 0 then
  redis.call('HSET', record, 'asked', asked, 'request', ARGV[1], 'lease', KEYS[#KEYS])
  redis.call('PEXPIRE', record, kept)
  redis.call('HSET', KEYS[#KEYS], 'once', record)
end
return answer
