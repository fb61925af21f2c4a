local test = require "haggle.test"
local haggle = require "haggle"
local describe, it, expect = test.describe, test.it, test.expect

-- What the lines return in a handler of an agent.
local function inside(lines, given)
  local world = test.world()
  world:agent { name = "a", config = { given = given }, source = [[
    local haggle, store = require "haggle", require "haggle.cache"
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

describe("haggle.cache", function()
  it("keeps values for their time", function()
    local world = test.world()
    world:agent { name = "a", source = [[
      local store = require "haggle.cache"
      agent.on("try/1.0/ask", function(message)
        local value = store.get_or("quotes", message.body.city, "5m", function()
          state.asked = (state.asked or 0) + 1
          return { celsius = state.asked }
        end)
        message:reply("said", { celsius = value.celsius })
      end)]] }
    local function ask(city) return world:ask("a", "try/1.0/ask", { city = city }).body.celsius end
    expect { ask "Graz", ask "Graz", ask "Wien" }:equals { 1, 1, 2 }
    world:restart()
    world:advance "299s"
    expect(ask "Graz"):equals(1)
    world:advance "1s"
    expect(ask "Graz"):equals(3)
  end)
  it("does not keep what failed", function()
    expect { inside [[
      local function fails() return nil, "no", "timeout" end
      local value, why, code = store.get_or("x", "k", "1m", fails)
      return value, why, code, store.count "x", store.get_or("x", "k", "1m", function()
        return false end),
        store.get("x", "k")]] }:equals { haggle.null, "no", "timeout", 0, false, false }
  end)
  it("gives up the oldest beyond its bound", function()
    expect { inside [[
      for i = 1, 10 do store.put("x", i, "1h", "v" .. i, { max = 3 }) end
      store.put("x", 8, "1h", "again", { max = 3 }) -- is the newest now
      store.put("x", 11, "1h", "v11", { max = 3 })
      return store.count "x", store.get("x", 7), store.get("x", 8), store.get("x", 9),
        store.get("x", 10),
        store.get("x", 11)]] }:equals { 3, haggle.null, "again", haggle.null, "v10", "v11" }
  end)
  it("removes, clears, and knows caches apart", function()
    expect { inside [[
      store.put("x", "k", "1h", 1)
      store.put("y", "k", "1h", 2)
      local had, again = store.remove("x", "k"), store.remove("x", "k")
      store.put("x", "a", "1h", 1)
      store.put("x", "a", "1h", nil)
      local count = store.count "x"
      store.clear "y"
      return had, again, count, store.get("y", "k"), store.get("none", "k"), store.remove("none",
        "k")]] }:equals {
      true, false, 0, haggle.null, haggle.null, false }
  end)
  it("stays of one size under a flood of keys", function()
    local count, order = inside [[
      for i = 1, 2500 do store.put("x", "k" .. i, "1h", i, { max = 100 }) end
      local order = 0
      for _ in pairs(state["haggle.cache"].x.order) do order = order + 1 end
      return store.count "x", order]]
    expect { count, order }:equals { 100, 100 }
  end)
  it("finds the oldest however often others were put since", function()
    expect { inside [[
      store.put("x", "old", "1h", 1, { max = 2 })
      state["haggle.cache"].x.last = 1000000000
      store.put("x", "hot", "1h", 2, { max = 2 })
      store.put("x", "new", "1h", 3, { max = 2 })
      store.put("x", "newer", "1h", 4, { max = 2 })
      return store.count "x", store.get("x", "old"), store.get("x", "hot"), store.get("x", "new"),
        store.get("x", "newer")]] }:equals { 2, haggle.null, haggle.null, 3, 4 }
  end)
  it("says what it does not take", function()
    for _, call in ipairs { "store.put, 'x', 'k', 'soon', 1",
      "store.put, 'x', 'k', '1m', 1, { max = 0 }",
      "store.put, 'x', 'k', '1m', 1, { most = 1 }", "store.get, nil, 'k'",
        "store.put, 'x', {}, '1m', 1",
      "store.put, 'x', 'k', '1m', print" } do
      expect { call, (inside("return pcall(" .. call .. ")")) }:equals { call, false }
    end
  end)
end)
