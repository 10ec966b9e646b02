-- How a pool's queue stands, for people who wait in it.
-- KEYS: counter of the pool, base of its queue.  ARGV: project.
-- Returns {running, waiting interactive, normal, batch, ms between two places or -1, then of each of the project's
--   waiting requests: request id, class, place, ms waited}.
local now, base = clock(), KEYS[2]
local answer = {(select(4, read(KEYS[1])))}
for class = 1, 3 do answer[#answer + 1] = redis.call('ZCARD', base .. ':' .. class) end
answer[#answer + 1] = math.floor(tonumber(redis.call('HGET', base .. ':pace', 'gap')) or -1)
local all = redis.call('HGETALL', base .. ':who')
for i = 1, #all, 2 do
  local who = cmsgpack.unpack(all[i + 1])
  if who[2] == ARGV[1] then
    for _, x in ipairs({all[i], who[1], position(base, all[i]), math.max(0, now - who[4])}) do answer[#answer + 1] = x end
  end
end
return answer
