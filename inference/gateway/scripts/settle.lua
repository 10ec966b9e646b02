-- KEYS: lease, leases, stream, and where the answer of a batch's row is kept: kept is what was billed, and all of it.
-- ARGV: request id, status, prompt, completion, cached tokens, first byte at, backend, fingerprint; then the answer and ms
--   to keep it.
-- Returns {1, used minus reserved} or {0} when it was settled before.
local delta = settle(KEYS[1], KEYS[2], KEYS[3], ARGV[1], clock(), {status = ARGV[2], prompt_tokens = ARGV[3],
  completion_tokens = ARGV[4], cached_tokens = ARGV[5], first_byte_at = ARGV[6], backend = ARGV[7],
  fingerprint = ARGV[8]})
if delta == nil then return {0} end
if KEYS[4] then redis.call('SET', KEYS[4], ARGV[9], 'PX', ARGV[10]) end
return {1, delta}
