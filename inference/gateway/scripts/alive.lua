-- Whether a principal's rights hold, for what costs nothing.
-- KEYS: tombstone, generations of user, project, gate.  ARGV: generations, not_after.
-- Returns the lapse, or an empty string.
return lapse(clock(), redis.call('MGET', unpack(KEYS)), {tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])}, tonumber(ARGV[4])) or ''
