-- What one scope has used, as one string of numbers: to read and write it costs a third of what the fields of a hash do.
-- Loaded in front of every script; inference/gateway/counters.py reads the same.
-- r, t: when the buckets of requests and of tokens would be full again, ms; b: ms of t that were given back; c: running
-- requests; d, dn: a day since the epoch, and its tokens; pn, p: tokens of a period, and its name.
local COUNTER = '<ddddddds'
local FOR_EVER, FOR_DAYS, AS_BEFORE = {}, {'PX', 172800000}, {'KEEPTTL'} -- when it ends, if nobody writes it again

-- r, t, b, c, d, dn, pn, p
local function counted(text)
  if text then return struct.unpack(COUNTER, text) end
  return 0, 0, 0, 0, 0, 0, 0, ''
end

-- MGET, since whatever is no string reads as nothing: a counter that an earlier version kept begins anew.
local function read(key)
  return counted(redis.call('MGET', key)[1])
end

local function keep(key, ends, ...)
  redis.call('SET', key, struct.pack(COUNTER, ...), unpack(ends))
end
