-- The queue of one pool: requests that hold a reservation and wait for a place at its servers. Loaded in front of each.
-- Classes: 1 interactive, 2 normal, 3 batch. Within a class projects share by tokens (start-time fair queueing): the tag
-- of a request is where its project's last one ended, or the class's virtual time where the project comes fresh; the
-- lowest tag is served, and of equal ones the oldest, since request ids are in order of time.
-- Keys under one base: :1 :2 :3 request ids by tag; :who request id -> {class, project, tokens, since}; :state virtual
-- times v1-v3, ends of projects f<class>:<project>, their waiting requests n:<project>, passed-over counts a2 and a3;
-- :pace ms between two places (gap) and the time of the last one. All but the pace go with the last that waits.
local AGED = {0, 4, 16} -- a class that higher ones were preferred to so many times is served next

local function drop(base, rid)
  local text = redis.call('HGET', base .. ':who', rid)
  if not text then return nil end
  local who = cmsgpack.unpack(text)
  redis.call('ZREM', base .. ':' .. who[1], rid)
  redis.call('HDEL', base .. ':who', rid)
  redis.call('HINCRBY', base .. ':state', 'n:' .. who[2], -1)
  if redis.call('HLEN', base .. ':who') == 0 then redis.call('DEL', base .. ':state') end
  return who
end

-- A request that leaves is not held against its project.
local function leave(base, rid)
  local who = drop(base, rid)
  if who and redis.call('EXISTS', base .. ':state') == 1 then
    redis.call('HINCRBYFLOAT', base .. ':state', 'f' .. who[1] .. ':' .. who[2], -who[3])
  end
end

-- False when the queue is full, or half of it is this project's.
local function join(base, class, rid, project, tokens, now, most)
  local state, flow = base .. ':state', 'f' .. class .. ':' .. project
  local v = redis.call('HMGET', state, 'v' .. class, flow, 'n:' .. project)
  if redis.call('HLEN', base .. ':who') >= most or (tonumber(v[3]) or 0) >= most / 2 then return false end
  local tag = math.max(tonumber(v[1]) or 0, tonumber(v[2]) or 0)
  local cost = math.max(tokens, 1)
  redis.call('HSET', state, flow, tag + cost)
  redis.call('HINCRBY', state, 'n:' .. project, 1)
  redis.call('ZADD', base .. ':' .. class, tag, rid)
  redis.call('HSET', base .. ':who', rid, cmsgpack.pack({class, project, cost, now}))
  return true
end

-- Request id of whoever is next. Ages the classes that are passed over.
local function take(base)
  local state, heads, picked = base .. ':state', {}, nil
  for class = 1, 3 do heads[class] = redis.call('ZRANGE', base .. ':' .. class, 0, 0, 'WITHSCORES') end
  local aged = redis.call('HMGET', state, 'a1', 'a2', 'a3')
  for class = 3, 2, -1 do
    if not picked and heads[class][1] and (tonumber(aged[class]) or 0) >= AGED[class] then picked = class end
  end
  for class = 1, 3 do
    if not picked and heads[class][1] then picked = class end
  end
  local rid, tag = heads[picked][1], tonumber(heads[picked][2])
  for class = picked + 1, 3 do
    if heads[class][1] then redis.call('HINCRBY', state, 'a' .. class, 1) end
  end
  redis.call('HSET', state, 'a' .. picked, 0, 'v' .. picked, tag)
  drop(base, rid)
  return rid
end

-- Give places while there are any; whose gateway died gets none.
local function serve(base, counter, leases, prefix, slots, now)
  while redis.call('HLEN', base .. ':who') > 0 do
    local r, t, b, c, d, dn, pn, p = read(counter)
    if c >= slots then return end
    local rid = take(base)
    local lease = prefix .. rid
    local packed = redis.call('HGET', lease, 'scopes')
    if packed and (tonumber(redis.call('ZSCORE', leases, rid)) or 0) > now then
      local held = cmsgpack.unpack(packed)
      held[#held][5] = 1
      redis.call('HSET', lease, 'scopes', cmsgpack.pack(held))
      redis.call('HDEL', lease, 'queue')
      keep(counter, AS_BEFORE, r, t, b, c + 1, d, dn, pn, p)
      local pace = redis.call('HMGET', base .. ':pace', 'gap', 'last')
      local gap = math.max(0, math.min(now - (tonumber(pace[2]) or now), 60000))
      redis.call('HSET', base .. ':pace', 'gap', (tonumber(pace[1]) or gap) * 0.8 + gap * 0.2, 'last', now)
      redis.call('PEXPIRE', base .. ':pace', 3600000)
    end
  end
end

-- Place in the queue, counted from 1: the higher classes, and those before it in its own. 0: it does not wait.
local function position(base, rid)
  local text = redis.call('HGET', base .. ':who', rid)
  if not text then return 0 end
  local class = cmsgpack.unpack(text)[1]
  local ahead = redis.call('ZRANK', base .. ':' .. class, rid)
  for higher = 1, class - 1 do ahead = ahead + redis.call('ZCARD', base .. ':' .. higher) end
  return ahead + 1
end

