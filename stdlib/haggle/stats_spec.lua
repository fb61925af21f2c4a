local test = require "haggle.test"
local haggle = require "haggle"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, stats = require "haggle", require "haggle.stats"
    local function go(given) ]] .. lines .. [[ end
    agent.on("try/1.0/go", function(message)
      local got = table.pack(go(agent.config.given))
      for i = 1, got.n do if got[i] == nil then got[i] = haggle.null end end
      message:reply("done", { got = haggle.array { table.unpack(got, 1, got.n) } })
    end)]] }
  local reply, why = world:ask("a", "try/1.0/go", {})
  if not reply then error(why .. "\n" .. test.show(world:dead()), 2) end
  return table.unpack(reply.body.got)
end

describe("stats", function()
  it("knows mean, deviation and ends", function()
    expect(inside [[
      local s = stats.new()
      for _, value in ipairs { 2, 4, 4, 4, 5, 5, 7, 9 } do stats.add(s, value) end
      return stats.summary(s)]]):equals {
      count = 8, mean = 5.0, deviation = math.sqrt(32 / 7), min = 2.0, max = 9.0 }
  end)
  it("knows nothing of nothing, and little of one", function()
    expect { inside [[
      local s, one = stats.new(), stats.new()
      stats.add(one, 3)
      return stats.mean(s), stats.variance(s), stats.quantile(s, 0.5), stats.mean(one),
        stats.variance(one), stats.quantile(one, 0.5), stats.summary(s).count]] }:equals {
      haggle.null, haggle.null, haggle.null, 3.0, haggle.null, 3.0, 0 }
  end)
  it("does not lose small differences beside large numbers", function()
    local variance = inside [[
      local s = stats.new()
      for i = 1, 1000 do stats.add(s, 1e9 + i % 2) end
      return stats.variance(s)]]
    expect(variance):is_between(0.25, 0.2503)
  end)
  it("finds quantiles within one per cent, of either sign", function()
    local got = inside [[
      local s, exact, got = stats.new(), {}, {}
      for i = 1, 3000 do
        local value = (i * 7919 % 3001) ^ 2 / 100 - 5000
        stats.add(s, value)
        exact[i] = value
      end
      table.sort(exact)
      for _, part in ipairs { 0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1 } do
        got[#got + 1] = { stats.quantile(s, part), exact[1 + math.floor(part * 2999)] }
      end
      return got]]
    for _, pair in ipairs(got) do
      expect(math.abs(pair[1] - pair[2])):is_between(0, 0.0101 * math.abs(pair[2]) + 1e-9)
    end
  end)
  it("keeps its size, whatever is counted", function()
    local size, high, low = inside [[
      local s = stats.new()
      for i = -1000, 1000 do stats.add(s, 10.0 ^ (i / 4)) end
      local size = 0
      for _ in pairs(s.above) do size = size + 1 end
      return size, stats.quantile(s, 0.99), s.min]]
    expect(size):is_between(380, 515)
    expect(high / 10.0 ^ 245):is_between(0.98, 1.02)
    expect(low):equals(10.0 ^ -250)
  end)
  it("goes on in state over restarts", function()
    local world = test.world()
    world:agent { name = "a", source = [[
      local stats = require "haggle.stats"
      agent.every("tick", "1s", function()
        if not state.s then state.s = stats.new() end
        stats.add(state.s, state.s.count)
        state.middle = stats.quantile(state.s, 0.5)
      end)]] }
    for _ = 1, 5 do
      world:advance "20s"
      world:restart()
    end
    expect(world:state("a").s.count):equals(100)
    expect(world:state("a").middle):is_between(48, 51)
  end)
  it("finds exact quantiles of lists", function()
    expect { inside [[return stats.quantile_of({ 4, 1, 3, 2 }, 0.5), stats.quantile_of({ 5 }, 0.9),
      stats.quantile_of({}, 0.5), stats.quantile_of({ 1, 2 }, 1)]] }:equals { 2.5, 5.0,
        haggle.null, 2.0 }
  end)
  it("takes finite numbers", function()
    for _, bad in ipairs { "0/0", "1/0", "-1/0", "'5'", "nil" } do
      local ok, why = inside("return pcall(stats.add, stats.new(), " .. bad .. ")")
      expect { bad, ok }:equals { bad, false }
      expect(why):matches "finite number"
    end
    expect(inside "return pcall(stats.quantile, stats.new(), 95)"):equals(false)
  end)
end)
